//! `wasmill run`: the gateway as a process, with its signals and files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use wasmill_config::Admin;
use wasmill_transport::Budget;

use super::{ConfigArgs, EXIT_FAILED, EXIT_WRONG, HostArgs, complain, explained, failed, runtime, say};
use crate::admin::{AdminServer, AdminSocket, SocketError};
use crate::admission::{connections_max, default_budget_bytes, raise_descriptor_limit};
use crate::engine::{Engine, EngineError, Left, Options, TableKeeper, chain};
use crate::telemetry::{LogHandle, init_logs, survive_file_size_limit};
use crate::watch::FileWatcher;

/// What a shutdown waits at most for requests under way and for sending queues. Kubernetes gives a pod 30 s.
const SHUTDOWN_MAX: Duration = Duration::from_secs(25);

/// `admin_socket`: where the socket is, whatever the configuration says.
pub fn run(config: &ConfigArgs, host: &HostArgs, admin_socket: Option<&Path>) -> ExitCode {
    let mut loaded = match config.load() {
        Ok(loaded) => loaded,
        Err(errors) => {
            complain(&errors.render());
            return ExitCode::from(EXIT_WRONG);
        }
    };
    loaded.warnings.iter().for_each(|warning| complain(&warning.render()));
    let settings = std::mem::take(&mut loaded.config);
    let logs = init_logs(&settings.telemetry.logs);
    let (host, runtime) = match host.host().and_then(|host| Ok((host, runtime()?))) {
        Ok(started) => started,
        Err(code) => return code,
    };
    survive_file_size_limit();
    let admin = AdminSettings { path: admin_socket, settings: settings.admin.clone() };
    // Before anything else is opened: a second gateway that was told to use the same socket ends here.
    let socket = match admin.open() {
        Ok(socket) => socket,
        Err(error) => return failed(EXIT_FAILED, [chain(&error)]),
    };
    runtime.block_on(async {
        let connections = connections_max(raise_descriptor_limit());
        let options = Options { host, budget: Budget::with_connections(default_budget_bytes(), connections) };
        let engine = match Engine::start(settings, options).await {
            Ok(engine) => engine,
            Err(error @ EngineError::Build(_)) => return explained(EXIT_WRONG, &loaded, &error),
            Err(error) => return explained(EXIT_FAILED, &loaded, &error),
        };
        match serve(engine, config, &loaded.files_read, logs, admin, socket).await {
            Ok(left) => report(left),
            Err(error) => failed(EXIT_FAILED, [format!("no signals: {error}")]),
        }
    })
}

/// Serves until it is told to end.
async fn serve(
    engine: Arc<Engine>,
    config: &ConfigArgs,
    files_read: &[PathBuf],
    logs: Option<LogHandle>,
    mut admin: AdminSettings<'_>,
    socket: Option<AdminSocket>,
) -> std::io::Result<Left> {
    let mut server = socket.map(|socket| AdminServer::serve(socket, Arc::clone(&engine))).transpose()?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let mut files = Files::new(files_read);
    let tables = TableKeeper::start(&engine);
    files.watch(&engine).await;
    say(&format!("wasmill: ready: {}\n", engine.listening().await.join(", ")));
    loop {
        let asked = tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => true,
            () = files.changed() => false,
        };
        let change = async {
            if files.config_changed() || asked {
                tracing::info!("reloading the configuration");
                if let Some((read, settings)) = reload(&engine, config, logs.as_ref()).await {
                    files.config_is(&read);
                    if let Some(settings) = settings {
                        admin.change(settings, &mut server, &engine).await;
                    }
                }
            }
            tables.look();
            refresh(&engine).await;
            files.watch(&engine).await;
        };
        // A plugin may take longer to compile than an orchestrator waits before it kills: what is queued comes first, and a
        // change that was not made yet is not made.
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = change => {}
        }
    }
    tracing::info!("draining");
    drop(tables);
    if let Some(server) = server {
        server.stop("the gateway ends").await;
    }
    // A second signal ends it at once: whoever sends it does not want to wait.
    tokio::select! {
        left = engine.shutdown(SHUTDOWN_MAX) => Ok(left),
        () = either(&mut terminate, &mut interrupt) => Ok(Left::default()),
    }
}

async fn either(a: &mut Signal, b: &mut Signal) {
    tokio::select! {
        _ = a.recv() => {}
        _ = b.recv() => {}
    }
}

/// Where the admin socket is to be.
struct AdminSettings<'a> {
    /// What the command line says goes before what the configuration says.
    path: Option<&'a Path>,
    settings: Admin,
}

impl AdminSettings<'_> {
    /// `None`: there is to be none, or nobody asked for one and it cannot be had, which is logged.
    fn open(&self) -> Result<Option<AdminSocket>, SocketError> {
        if !self.settings.enabled {
            return Ok(None);
        }
        match self.path.or(self.settings.socket.as_deref()) {
            Some(path) => AdminSocket::open(path).map(Some),
            None => Ok(AdminSocket::open_default()
                .inspect_err(|error| {
                    tracing::warn!(reason = chain(error), "`wasmill status` cannot reach this gateway")
                })
                .ok()),
        }
    }

    /// Puts other settings into service. A socket that cannot be had leaves the old one.
    async fn change(&mut self, settings: Admin, server: &mut Option<AdminServer>, engine: &Arc<Engine>) {
        if settings == self.settings {
            return;
        }
        let before = std::mem::replace(&mut self.settings, settings);
        // What a tap masks is the configuration's that serves.
        let same_path = self.path.is_some() || self.settings.socket == before.socket;
        let same = self.settings.enabled == before.enabled && same_path;
        if same {
            return;
        }
        let opened = self.open().map_err(|error| chain(&error));
        let served = opened.and_then(|socket| {
            let serve = |socket| AdminServer::serve(socket, Arc::clone(engine)).map_err(|error| chain(&error));
            socket.map(serve).transpose()
        });
        match served {
            Ok(new) => {
                if let Some(old) = std::mem::replace(server, new) {
                    old.stop("the admin socket moves").await;
                }
            }
            Err(reason) => {
                self.settings = before;
                tracing::error!(%reason, "the admin socket stays where it was");
            }
        }
    }
}

/// Puts the files' configuration into service, or says why the old one serves on. Gives the files that it was read from, and what it says of
/// the admin socket.
async fn reload(
    engine: &Engine,
    config: &ConfigArgs,
    logs: Option<&LogHandle>,
) -> Option<(Vec<PathBuf>, Option<Admin>)> {
    let mut loaded = match config.load() {
        Ok(loaded) => loaded,
        Err(errors) => {
            for reason in &errors.errors {
                tracing::error!(%reason, "the configuration was not reloaded, the old one serves on");
            }
            engine.metrics().config_reloaded(false);
            return None;
        }
    };
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let settings = std::mem::take(&mut loaded.config);
    let (level, admin) = (settings.telemetry.logs.level, settings.admin.clone());
    let admin = match engine.reload(settings).await {
        Ok(reloaded) => {
            if let Some(logs) = logs {
                logs.set_level(level);
            }
            tracing::info!(generation = reloaded.generation, "configuration reloaded");
            Some(admin)
        }
        Err(error) => {
            for (key, line) in error.mistakes() {
                let reason = loaded.explain(&key, line);
                tracing::error!(%reason, "the configuration was not reloaded, the old one serves on");
            }
            None
        }
    };
    Some((loaded.files_read, admin))
}

/// Puts changed plugins into service, or says why the old ones serve on.
async fn refresh(engine: &Engine) {
    for (path, result) in engine.refresh().await {
        let path = path.display();
        match result {
            Ok(reloaded) => {
                let stages: Vec<String> = reloaded.swapped.iter().map(ToString::to_string).collect();
                tracing::info!(plugin = %path, stages = %stages.join(", "), generation = reloaded.generation, "plugin swapped");
            }
            Err(error) => {
                for line in error.lines() {
                    tracing::error!(plugin = %path, reason = %line, "plugin not swapped, the old one serves on");
                }
            }
        }
    }
}

fn report(left: Left) -> ExitCode {
    if left.is_nothing() {
        tracing::info!("drained, nothing was left");
    } else {
        let Left { queued, in_flight } = left;
        tracing::warn!(
            requests = queued.requests,
            rows = queued.rows,
            in_flight,
            "ended before everything was delivered"
        );
        complain(&format!(
            "wasmill: left undelivered: {} requests with {} rows in sending queues, {in_flight} requests under way\n",
            queued.requests, queued.rows
        ));
    }
    ExitCode::SUCCESS
}

/// The files that matter: configuration by content, plugins and lookup tables through the engine.
struct Files {
    config: Vec<(PathBuf, Option<Vec<u8>>)>,
    /// `None`: this system cannot watch files; SIGHUP still reloads.
    watcher: Option<FileWatcher>,
}

impl Files {
    fn new(config: &[PathBuf]) -> Files {
        let watcher = FileWatcher::new();
        if let Err(error) = &watcher {
            tracing::warn!(%error, "changes of files are not noticed; SIGHUP reloads");
        }
        let mut files = Files { config: Vec::new(), watcher: watcher.ok() };
        files.config_is(config);
        files
    }

    /// The configuration is in these files. Of those that it was in before, what they held when that was last asked is known: they may have
    /// changed again while it was put into service.
    fn config_is(&mut self, files: &[PathBuf]) {
        let mut before: HashMap<PathBuf, Option<Vec<u8>>> = std::mem::take(&mut self.config).into_iter().collect();
        let mut content = |path: &PathBuf| before.remove(path).unwrap_or_else(|| std::fs::read(path).ok());
        self.config = files.iter().map(|path| (path.clone(), content(path))).collect();
    }

    async fn watch(&mut self, engine: &Engine) {
        if let Some(watcher) = &mut self.watcher {
            let (plugins, tables) = (engine.plugin_files().await, engine.table_files());
            let config = self.config.iter().map(|(path, _)| path);
            watcher.set(config.chain(&plugins).chain(&tables).map(PathBuf::as_path));
        }
    }

    async fn changed(&self) {
        match &self.watcher {
            Some(watcher) => watcher.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Whether a configuration file has other content than when this was last asked. One that is gone is being replaced.
    fn config_changed(&mut self) -> bool {
        let mut changed = false;
        for (path, content) in &mut self.config {
            let now = std::fs::read(path).ok();
            if now.is_some() && now != *content {
                *content = now;
                changed = true;
            }
        }
        changed
    }
}
