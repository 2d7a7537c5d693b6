//! `interlock init`.

use clap::Args;

use crate::context::Context;
use crate::exit::{Answer, End};
use crate::instance::Instance;
use crate::render::safe;

/// What `init` takes: the folder comes from `--instance` or INTERLOCK_INSTANCE, else it is the working directory.
#[derive(Debug, Args)]
pub(crate) struct Params {}

/// Make an instance.
pub(crate) fn run(cx: &Context, _params: &Params) -> End {
    let instance = Instance::create(cx.folder()?.unwrap_or(std::path::Path::new(".")))?;
    let folder = instance.folder().display().to_string();
    let workspace_id = instance.config.workspace_id;
    let json = serde_json::json!({
        "instance": folder,
        "workspace_id": workspace_id,
        "config": instance.config_file().display().to_string(),
    });
    let text =
        format!("made {} ({workspace_id})\nstart its server with: interlock up\n", safe::line(&folder));
    Ok(Answer::new(&json, text)?)
}
