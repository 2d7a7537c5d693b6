//! The scripted model server of a run, and how codex and claude are pointed at it: by their own settings, given to them
//! for this run alone, with folders of their own below the run's.

use std::path::Path;

use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::agent::{Launch, LaunchVariable, Runtime};
use interlock_scripted_model::ScriptedModel;

use crate::instance::make_private_folder;

/// The variable in which Codex finds the server's key.
const KEY: &str = "SCRIPTED_MODEL_KEY";

/// Start it.
///
/// # Errors
/// `ADDRESS_OCCUPIED` when no port can be had.
pub(crate) async fn start() -> Result<ScriptedModel, Problem> {
    ScriptedModel::start().await.map_err(|error| {
        let detail = format!("the scripted model server cannot be started: {error}");
        Problem::new(Reason::AddressOccupied, &detail, "")
    })
}

/// Point a program at it.
///
/// # Errors
/// `PATH_UNWRITABLE`.
pub(crate) fn point(
    launch: &mut Launch,
    runtime: Runtime,
    model: &ScriptedModel,
    root: &Path,
) -> Result<(), Problem> {
    // Sessions of both parts lie beside each other, as a user's do.
    let home = root.join(format!("{runtime}-home"));
    if !home.is_dir() {
        make_private_folder(&home)?;
    }
    let home = home.display().to_string();
    let mut set = |name: &str, value: &str| {
        launch.environment.push(LaunchVariable { name: name.to_owned(), value: Some(value.to_owned()) });
    };
    if runtime == Runtime::Codex {
        set("CODEX_HOME", &home);
        set(KEY, model.key());
        let provider = format!(
            "model_providers.scripted={{name=\"scripted\",base_url=\"{}/v1\",env_key=\"{KEY}\",wire_api=\"responses\"}}",
            model.url()
        );
        launch.command.extend(["-c", "model_provider=\"scripted\"", "-c", &provider].map(str::to_owned));
    } else {
        set("CLAUDE_CONFIG_DIR", &home);
        set("ANTHROPIC_BASE_URL", &model.url());
        set("ANTHROPIC_API_KEY", model.key());
        set("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    }
    Ok(())
}
