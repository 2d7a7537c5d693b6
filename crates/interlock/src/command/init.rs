//! `interlock init`.

use clap::Args;
use interlock_store_postgres::{Options, PostgresStore};

use crate::context::Context;
use crate::database::{DatabaseParams, away};
use crate::exit::{Answer, End};
use crate::instance::Instance;
use crate::render::safe;

/// What `init` takes: the folder comes from `--instance` or INTERLOCK_INSTANCE, else it is the working directory.
#[derive(Debug, Args)]
pub(crate) struct Params {
    #[command(flatten)]
    database: DatabaseParams,
}

/// Make an instance. A database named by argument is written into its configuration; one that is named at all is opened
/// first, and its tables are made.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    if let Some(url) = params.database.given(cx) {
        PostgresStore::open(&Options::at(&url.0)).await.map_err(|error| away(&error))?;
    }
    let place = cx.folder()?.unwrap_or(std::path::Path::new("."));
    let instance = Instance::create_with(place, params.database.argument())?;
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
