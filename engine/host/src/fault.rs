//! What a guest can do wrong, and what then happens to its rows.
//!
//! A guest's failure is data: every way in which a call can end badly is one of five kinds, decided here, and carried to
//! metrics, logs and the fault policy under one label each. None of them is an error of the host.

use std::fmt;

use wasmtime::Trap;

/// How a call failed. Also the label `kind` of `wasmill_plugin_faults_total`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FaultKind {
    /// `process` returned its error: the guest is well and says no to these rows. Its instance goes on serving.
    Refused,
    /// A trap: unreachable code, out-of-bounds access, stack overflow, division by zero.
    Trapped,
    /// The call ran past its deadline and was ended.
    DeadlineExceeded,
    /// The guest asked for more memory than its limit, and did not survive the refusal.
    MemoryExceeded,
    /// It returned what the contract does not allow: a wrong length, offset, number, path or type, or too many bytes.
    BadOutput,
}

impl FaultKind {
    pub const ALL: [FaultKind; 5] = [
        FaultKind::Refused,
        FaultKind::Trapped,
        FaultKind::DeadlineExceeded,
        FaultKind::MemoryExceeded,
        FaultKind::BadOutput,
    ];

    /// The name in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            FaultKind::Refused => "refused",
            FaultKind::Trapped => "trapped",
            FaultKind::DeadlineExceeded => "deadline_exceeded",
            FaultKind::MemoryExceeded => "memory_exceeded",
            FaultKind::BadOutput => "bad_output",
        }
    }

    /// Whether the instance may be called again. After anything but a refusal its memory is not to be trusted.
    pub(crate) fn instance_survives(self) -> bool {
        self == FaultKind::Refused
    }
}

/// One failed call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub kind: FaultKind,
    /// What happened, for the operator: the guest's own words for a refusal, trap and guest backtrace for a trap, what was
    /// found and expected for bad output. At most [`FAULT_MESSAGE_BYTES_MAX`] bytes.
    pub message: String,
}

/// Enough for a guest's backtrace, too little to fill a log with.
pub const FAULT_MESSAGE_BYTES_MAX: usize = 4096;

/// What becomes of a slice's rows when its call fails.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFault {
    /// The whole batch is refused, and the client told to try again. Nothing of the stage's decisions is applied.
    #[default]
    Reject,
    /// The slice's rows go on as they are.
    Pass,
    /// The slice's rows are dropped, and counted.
    Drop,
    /// The slice's rows leave the pipeline here, as they are, for where the gateway puts what plugins failed on.
    Divert,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > FAULT_MESSAGE_BYTES_MAX {
            let end = message.floor_char_boundary(FAULT_MESSAGE_BYTES_MAX);
            message.truncate(end);
        }
        Fault { kind, message }
    }

    pub(crate) fn bad_output(message: impl Into<String>) -> Self {
        Fault::new(FaultKind::BadOutput, message)
    }

    /// The fault behind an error that a call into the guest returned. `memory_refused`: the limiter said no during the call.
    pub(crate) fn from_call(error: &wasmtime::Error, memory_refused: bool) -> Self {
        let kind = if error.downcast_ref::<DeadlineExceeded>().is_some() {
            FaultKind::DeadlineExceeded
        } else if error.downcast_ref::<Trap>().is_some() {
            // A guest whose allocation was refused mostly aborts: that is the cause, not the trap it ends in.
            if memory_refused { FaultKind::MemoryExceeded } else { FaultKind::Trapped }
        } else {
            // What is neither is the canonical ABI lifting what the guest returned or passed: pointers outside its memory,
            // invalid UTF-8 or discriminants, more bytes than the call's fuel.
            FaultKind::BadOutput
        };
        // The cause first: the first line is what a client sees, and the backtrace may be cut.
        let cause = error.chain().last().map(ToString::to_string).unwrap_or_default();
        Fault::new(kind, format!("{cause}\n{error:?}"))
    }

    /// As [`from_call`](Fault::from_call), for instantiating: a memory that is refused at the start is no trap.
    pub(crate) fn from_start(error: &wasmtime::Error, memory_refused: bool) -> Self {
        match Fault::from_call(error, memory_refused) {
            Fault { kind: FaultKind::BadOutput, message } => {
                let kind = if memory_refused { FaultKind::MemoryExceeded } else { FaultKind::Trapped };
                Fault { kind, message }
            }
            fault => fault,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.label(), self.message)
    }
}

/// What the epoch callback ends a call with, to be told apart from the guest's own traps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeadlineExceeded {
    #[error("the call computed for longer than its deadline of {deadline_ms} ms")]
    Processor { deadline_ms: u64 },
    /// It was not the guest that took the time, or not alone.
    #[error(
        "the call had not ended after {clock_factor} times its deadline of {deadline_ms} ms of processor time: the machine is \
         short of processors"
    )]
    Clock { deadline_ms: u64, clock_factor: u32 },
}
