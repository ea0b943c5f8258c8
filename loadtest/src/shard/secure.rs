//! A transport on which a client can speak TLS: what the shards ask of `ringway::tls::secured` beside sending and receiving.

use std::sync::Arc;

use ringway::engine::{Fault, Socket, Transport};
use ringway::tls::secured::Secured;
use rustls::{ClientConfig, HandshakeKind};
use rustls_pki_types::ServerName;

use crate::record::Agreed;

/// A transport on which a client can speak TLS.
pub trait Secure: Transport {
    /// The socket speaks TLS from here on, with a server of this name.
    ///
    /// # Errors
    /// rustls cannot begin with this configuration.
    fn connect_tls(
        &mut self,
        socket: Socket,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<(), Fault>;

    /// What was agreed on; `None` in plain text.
    fn agreed(&self, socket: Socket) -> Option<Agreed>;
}

impl<T: Transport> Secure for Secured<'_, T> {
    fn connect_tls(
        &mut self,
        socket: Socket,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<(), Fault> {
        Secured::connect_tls(self, socket, config, name)
    }

    fn agreed(&self, socket: Socket) -> Option<Agreed> {
        let peer = self.peer(socket)?;
        Some(Agreed {
            version: peer.version.and_then(|version| version.as_str()).unwrap_or("unknown"),
            suite: peer.suite.and_then(|suite| suite.as_str()).unwrap_or("unknown"),
            group: peer.group.and_then(|group| group.as_str()).unwrap_or("unknown"),
            resumed: peer.kind == Some(HandshakeKind::Resumed),
        })
    }
}
