//! `Door`: whom `serve` lets in, and into which scopes. Knows the token.

use switchboard::{Failure, Payload, PeerHello, Status, Welcome};
use switchboard_blocking::Credentials;

use crate::token::Token;

/// Whom a server lets in: its own user and root, who show the token if there is one.
pub(crate) struct Door {
    pub(crate) token: Option<Token>,
    /// The scopes that exist, beside that of those who name none.
    pub(crate) scopes: Vec<String>,
}

impl Door {
    /// Decides about a client. Where nothing tells who it is, the token alone does.
    pub(crate) fn authorize(
        &self,
        hello: &PeerHello,
        who: Option<&Credentials>,
    ) -> Result<Welcome, Failure> {
        let known = match who {
            Some(who) => who.same_user_or_root(),
            None => self.token.is_some(),
        };
        if !known {
            let text = "only the user that runs the server may connect";
            return Err(Failure::new(Status::PERMISSION_DENIED, text));
        }
        if self.token.as_ref().is_some_and(|token| !token.is(&hello.payload)) {
            let text = if hello.payload == Payload::null() {
                "the server asks for a token, and none was shown"
            } else {
                "the server asks for a token, and this is not it"
            };
            return Err(Failure::new(Status::UNAUTHENTICATED, text));
        }
        let scope = &hello.settings.scope;
        if !scope.is_empty() && !self.scopes.iter().any(|known| **known == **scope) {
            let text = format!("scope {scope:?} does not exist here");
            return Err(Failure::new(Status::NOT_FOUND, text));
        }
        Ok(Welcome::new())
    }
}
