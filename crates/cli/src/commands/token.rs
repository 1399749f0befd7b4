//! `dragline token`: who may see the page of the service.

use dragline_web::{Role, Token, Tokens};

use crate::args::{TokenCommand, WrongUsage};
use crate::output;

/// `dragline token …`
pub(crate) fn token(command: &TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create { name, role } => create(name, *role),
    }
}

/// Makes a token. Its entry goes to standard output, so that it can be appended to the configuration; the token itself
/// goes to standard error and is kept nowhere.
fn create(name: &str, role: Role) -> anyhow::Result<()> {
    let token = Token::generate().map_err(|error| anyhow::anyhow!(error))?;
    let entry = token.entry(name, role);
    Tokens::new(std::slice::from_ref(&entry))
        .map_err(|error| WrongUsage::new(&error.to_string()))?;
    output::show(&format!("\n[[web.tokens]]\n{}", toml::to_string(&entry)?))?;
    output::tell(&format!(
        "the token of {name}, which is shown only now: {}",
        token.reveal()
    ));
    Ok(())
}
