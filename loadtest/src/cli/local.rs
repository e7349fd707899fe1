//! The nodes that are started here: their program, their settings, their data.

use std::path::PathBuf;

use clap::Args;

use super::setting;
use crate::error::{LoadError, io_error};

/// What is said of them on the command line.
#[derive(Debug, Args)]
pub struct LocalNodes {
    /// The node's program [default: blockchat-node beside this one].
    #[arg(long, value_name = "PATH")]
    pub node_binary: Option<PathBuf>,
    /// A further setting of every node, without `BLOCKCHAT_`; may be repeated.
    #[arg(long = "node-setting", value_name = "NAME=VALUE", value_parser = setting)]
    pub node_settings: Vec<(String, String)>,
    /// Where nodes keep their data while they run [default: the system's directory for temporary files].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl LocalNodes {
    /// The node's program: as given, or beside this one.
    pub fn binary(&self) -> Result<PathBuf, LoadError> {
        let path = match &self.node_binary {
            Some(path) => path.clone(),
            None => std::env::current_exe().map_err(io_error("this program"))?.with_file_name("blockchat-node"),
        };
        if path.is_file() {
            return Ok(path);
        }
        Err(LoadError::Usage(format!("{} is no program; name the node's with --node-binary", path.display())))
    }
}
