//! Bodies in every shape, without a network.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};

use http_body::Frame;

use super::*;
use crate::Budget;
use crate::encoding;

/// A body that comes in the given pieces.
struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

fn pieces(body: &[u8], size: usize) -> Pieces {
    Pieces(body.chunks(size).map(Bytes::copy_from_slice).collect())
}

fn terms(encoding: Encoding, bytes_max: usize, budget: &std::sync::Arc<Budget>) -> Terms {
    Terms { encoding, bytes_max, permit: budget.permit() }
}

async fn compress(body: Vec<u8>, encoding: Encoding) -> Bytes {
    encoding::compress(Bytes::from(body).into(), encoding).await.unwrap().into_bytes()
}

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 3) as u8).collect()
}

fn message(flag: u8, announced: usize, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flag];
    bytes.extend((announced as u32).to_be_bytes());
    bytes.extend(payload);
    bytes
}

const LIMIT: usize = 3 << 20;

/// However a message is cut into pieces, it arrives in one, and its budget goes back with its last slice.
#[tokio::test]
async fn messages_in_pieces() {
    for len in [0, 1, SHARED_BYTES_MIN - 1, SHARED_BYTES_MIN, 100_000, ROOM_BYTES_MAX + 1, LIMIT] {
        let payload = sample(len);
        let framed = message(0, len, &payload);
        for size in [1, 3, 7, 16 << 10, usize::MAX] {
            if size < 10 && len > 100_000 {
                continue;
            }
            let budget = Budget::unlimited();
            let terms = terms(Encoding::Identity, LIMIT, &budget);
            let taken = take_message(pieces(&framed, size), terms).await.unwrap();
            assert_eq!((&*taken.payload, taken.wire_bytes), (&*payload, len));
            assert_eq!(budget.taken(), len);
            let slice = taken.payload.slice(len / 2..);
            drop(taken);
            assert_eq!(budget.taken() > 0, len > 0, "a slice keeps it");
            drop(slice);
            assert_eq!(budget.taken(), 0);
        }
    }
}

/// A message that lies in one piece of a frame is not copied.
#[tokio::test]
async fn one_piece_is_not_copied() {
    let framed = Bytes::from(message(0, 50_000, &sample(50_000)));
    let at = framed.as_ptr() as usize + PREFIX_BYTES;
    let terms = terms(Encoding::Identity, LIMIT, &Budget::unlimited());
    let taken = take_message(Pieces([framed].into()), terms).await.unwrap();
    assert_eq!(taken.payload.as_ptr() as usize, at);
}

/// The limit itself is taken, a byte more is refused, compressed and not, framed and not.
#[tokio::test]
async fn limit_and_one_byte_more() {
    const SMALL: usize = 100_000;
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd, Encoding::Deflate] {
        for len in [SMALL, SMALL + 1] {
            let body = compress(sample(len), encoding).await;
            let flag = u8::from(encoding != Encoding::Identity);
            let framed = message(flag, body.len(), &body);
            let budget = Budget::unlimited();
            let results = [
                take_message(pieces(&framed, 4096), terms(encoding, SMALL, &budget)).await,
                take_body(pieces(&body, 4096), None, terms(encoding, SMALL, &budget)).await,
                take_body(pieces(&body, 4096), Some(body.len() as u64), terms(encoding, SMALL, &budget)).await,
            ];
            for result in results {
                match result {
                    Ok(taken) => assert_eq!((len, &*taken.payload), (SMALL, &*sample(SMALL))),
                    Err(error) => {
                        assert_eq!(len, SMALL + 1, "{encoding:?}: {error}");
                        assert_eq!(error.refusal().kind, RefusalKind::TooLarge);
                        assert_eq!(error.refusal().retry_after, None);
                    }
                }
            }
        }
    }
}

/// A compressed body over the limit is refused even if it would decompress to less.
#[tokio::test]
async fn compressed_size_is_limited_too() {
    let empty = compress(Vec::new(), Encoding::Gzip).await;
    let members = empty.repeat(100);
    let budget = Budget::unlimited();
    let error = take_body(pieces(&members, 64), None, terms(Encoding::Gzip, 1000, &budget)).await.unwrap_err();
    assert!(matches!(error, IntakeError::TooLarge { limit: 1000 }), "{error}");
    assert_eq!(budget.taken(), 0);
}

/// A length of 60 MiB that only ten bytes follow takes memory for those ten, not for what it says.
#[tokio::test]
async fn a_lying_length_takes_no_memory() {
    let framed = message(0, 60 << 20, &[7; 10]);
    let budget = Budget::new(10);
    let terms = terms(Encoding::Identity, 64 << 20, &budget);
    let error = take_message(pieces(&framed, 8), terms).await.unwrap_err();
    assert!(matches!(error, IntakeError::Short { found: 10, announced: 0x3c0_0000 }), "{error}");
    assert_eq!(budget.taken(), 0);

    let mut plain = Plain {
        whole: None,
        buffer: Vec::new(),
        announced: Some(60 << 20),
        limit: 64 << 20,
        permit: Budget::unlimited().permit(),
    };
    plain.push(Bytes::from_static(&[7; 10])).unwrap();
    assert!(plain.buffer.capacity() <= ROOM_BYTES_MAX);
}

/// With the budget spent, nothing more is read, and the sender is told when to come again.
#[tokio::test]
async fn a_spent_budget_refuses() {
    let budget = Budget::new(30_000);
    let framed = message(0, 50_000, &sample(50_000));
    let error = take_message(pieces(&framed, 8192), terms(Encoding::Identity, LIMIT, &budget)).await.unwrap_err();
    let refusal = error.refusal();
    assert_eq!((refusal.kind, refusal.retry_after), (RefusalKind::Unavailable, Some(BUDGET_RETRY_AFTER)));
    assert_eq!(budget.taken(), 0);
}

/// What no gRPC client sends is refused by what is wrong with it.
#[tokio::test]
async fn broken_messages() {
    let gzip = compress(sample(100), Encoding::Gzip).await;
    let cases: [(&str, Vec<u8>, Encoding, RefusalKind, &str); 9] = [
        ("nothing", vec![], Encoding::Identity, RefusalKind::Invalid, "no message"),
        ("half a prefix", vec![0, 0, 0], Encoding::Identity, RefusalKind::Invalid, "3 of 5 bytes"),
        ("short", message(0, 9, &[1; 8]), Encoding::Identity, RefusalKind::Invalid, "8 of 9 bytes"),
        ("long", message(0, 7, &[1; 8]), Encoding::Identity, RefusalKind::Invalid, "more than its one"),
        ("two", [message(0, 1, &[1]), message(0, 1, &[1])].concat(), Encoding::Identity, RefusalKind::Invalid, "one"),
        ("odd flag", message(9, 1, &[1]), Encoding::Identity, RefusalKind::Invalid, "flag is 9"),
        ("flag alone", message(1, 1, &[1]), Encoding::Identity, RefusalKind::Internal, "`grpc-encoding`"),
        ("cut gzip", message(1, 20, &gzip[..20]), Encoding::Gzip, RefusalKind::Invalid, "ends within its gzip"),
        ("no gzip", message(1, 4, b"text"), Encoding::Gzip, RefusalKind::Invalid, "not valid gzip"),
    ];
    for (name, body, encoding, kind, reason) in cases {
        for size in [1, usize::MAX] {
            let budget = Budget::unlimited();
            let error = take_message(pieces(&body, size), terms(encoding, LIMIT, &budget)).await.unwrap_err();
            let refusal = error.refusal();
            assert_eq!(refusal.kind, kind, "{name}: {refusal}");
            assert!(refusal.reason.contains(reason), "{name}: {refusal}");
            assert_eq!(budget.taken(), 0, "{name}");
        }
    }
}

/// A message without the flag is not decompressed, although the call names an encoding.
#[tokio::test]
async fn compression_is_by_message() {
    let framed = message(0, 3, b"abc");
    let terms = terms(Encoding::Gzip, LIMIT, &Budget::unlimited());
    assert_eq!(take_message(pieces(&framed, 2), terms).await.unwrap().payload, "abc");
}

/// A body that comes when the test says so.
struct Piecemeal(tokio::sync::mpsc::UnboundedReceiver<Bytes>);

impl Body for Piecemeal {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Sends `pieces` of `bytes` each, one every `every`, of a message that is longer than that; then nothing more. Of the budget,
/// `others` bytes are taken by others. What became of the message, and after how long.
async fn trickle(
    pieces: usize,
    bytes: usize,
    every: Duration,
    others: usize,
) -> (Result<Taken, IntakeError>, Duration) {
    let budget = Budget::new(1 << 20);
    let mut other = budget.permit();
    other.grow(others).unwrap();
    let (sender, body) = tokio::sync::mpsc::unbounded_channel();
    let start = Instant::now();
    let sending = async {
        sender.send(message(0, 2 << 20, &[]).into()).unwrap();
        for _ in 0..pieces {
            tokio::time::sleep(every).await;
            // Nobody listens, once it was refused.
            drop(sender.send(vec![1; bytes].into()));
        }
        std::future::pending::<()>().await;
    };
    let taking = take_message(Piecemeal(body), terms(Encoding::Identity, LIMIT, &budget));
    let taking = timeout_at(start + Duration::from_secs(60), taking);
    tokio::select! {
        taken = taking => {
            assert_eq!(budget.taken(), others, "what it had is back");
            (taken.unwrap_or(Err(IntakeError::NoMessage)), start.elapsed())
        }
        () = sending => unreachable!(),
    }
}

/// With the budget short, a body that stalls is told to come again, and so is one that comes a byte at a time; with room, both
/// may take the whole minute.
#[tokio::test(start_paused = true)]
async fn who_is_slow_gives_way() {
    let second = Duration::from_secs(1);
    const SHORT: usize = (1 << 20) / 4 * 3 + 1;
    for (pieces, bytes) in [(0, 0), (1, 100), (60, 1), (600, 1000)] {
        let (taken, after) = trickle(pieces, bytes, second / 10, SHORT).await;
        let Err(error) = taken else { panic!("it has no end") };
        assert!(matches!(error, IntakeError::Slow), "{pieces} of {bytes}: {error}");
        let refusal = error.refusal();
        assert_eq!((refusal.kind, refusal.retry_after), (RefusalKind::Unavailable, Some(BUDGET_RETRY_AFTER)));
        assert!((2 * second..=4 * second).contains(&after), "{pieces} of {bytes}: {after:?}");
        let (_, after) = trickle(pieces, bytes, second / 10, 0).await;
        assert_eq!(after, 60 * second, "{pieces} of {bytes}, with room");
    }
}

/// With the budget short, a body that comes at a pace that ends within the minute goes on.
#[tokio::test(start_paused = true)]
async fn who_is_not_slow_goes_on() {
    let second = Duration::from_secs(1);
    // Until the rest of the budget is spent, after 4 pieces.
    let (taken, after) = trickle(10, PACE_BYTES, second, (1 << 20) - 4 * PACE_BYTES).await;
    assert!(matches!(taken, Err(IntakeError::Spent(_))), "{taken:?}");
    assert_eq!(after, 5 * second);
}

/// A request that is open takes a part of the budget before its body does, and more for a long head.
#[test]
fn open_requests_are_counted() {
    let budget = Budget::new(100_000);
    let request = |bytes: usize| Request::post("/v1/traces").header("x-long", "x".repeat(bytes)).body(()).unwrap();
    let held = open(&request(50_000), &budget).unwrap();
    assert_eq!(budget.taken(), OPEN_BYTES + "/v1/traces".len() + "x-long".len() + 50_000);
    let refusal = open(&request(50_000), &budget).unwrap_err().refusal();
    assert_eq!((refusal.kind, refusal.retry_after), (RefusalKind::Unavailable, Some(BUDGET_RETRY_AFTER)));
    drop(held);
    assert_eq!(budget.taken(), 0);
}
