//! `switchboard completions`: what a shell needs to complete the command line.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::problem::Problem;

const WHERE: &str = "\
Where each shell looks for it:
  bash        switchboard completions bash > ~/.local/share/bash-completion/completions/switchboard
  zsh         switchboard completions zsh > _switchboard, in a folder of $fpath
  fish        switchboard completions fish > ~/.config/fish/completions/switchboard.fish
  elvish      eval (switchboard completions elvish | slurp), in rc.elv
  powershell  switchboard completions powershell | Out-String | Invoke-Expression, in $PROFILE";

#[derive(clap::Args)]
#[command(after_help = WHERE)]
pub(crate) struct Args {
    /// For which shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<(), Problem> {
    // First into memory: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "switchboard", &mut script);
    let mut stdout = io::stdout().lock();
    stdout.write_all(&script).and_then(|()| stdout.flush()).map_err(|error| Problem::stdout(&error))
}
