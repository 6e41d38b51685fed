//! What commands that read a configuration share: the file, its tables, its ports.

use std::path::{Path, PathBuf};

use crate::command::Failure;
use crate::topology::{
    Catalogue, Config, DEFAULT_CONFIG, Placement, check, load, parse, place_here,
};

/// Which configuration to use.
#[derive(Debug, clap::Args)]
pub struct ConfigArguments {
    /// The configuration; without it the embedded defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory, in place of the configuration's
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// A configuration and everything that follows from it.
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// Its tables, resolved.
    pub catalogue: Catalogue,
    /// Where the stages run here.
    pub placement: Placement,
}

impl ConfigArguments {
    /// Reads and checks it.
    ///
    /// # Errors
    /// What is wrong, with file, place and cure; exit code 2.
    pub fn load(&self) -> Result<Loaded, Failure> {
        let (mut config, file, text) = match &self.config {
            Some(path) => {
                let (config, text) = load(path).map_err(Failure::usage)?;
                (config, path.display().to_string(), text)
            }
            None => {
                let file = "config/appliance.toml";
                let config = parse(file, DEFAULT_CONFIG).map_err(Failure::usage)?;
                (config, file.to_owned(), DEFAULT_CONFIG.to_owned())
            }
        };
        if let Some(data) = &self.data {
            config.data = data.clone();
        }
        let catalogue = check(&config, &file, &text).map_err(Failure::usage)?;
        let placement = place_here(&config, &file, &text).map_err(Failure::usage)?;
        Ok(Loaded { config, catalogue, placement })
    }
}

/// A sentence for a path that is not there.
pub fn must_exist(path: &Path, what: &str) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    Err(Failure::usage(format!("{}: there is no {what} here", path.display())))
}
