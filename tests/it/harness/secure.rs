//! Peers that speak TLS: rustls in the test process, whose records the test may tear, hold back or forge.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, ServerConfig, ServerConnection, SignatureScheme,
    SupportedProtocolVersion,
};
use tungstenite::WebSocket;
use tungstenite::client::IntoClientRequest;

use super::patient::again;
use super::peer::{Peer, Wire};
use super::pki::{Authority, Pair};
use super::upstream::unlimited;
use super::wait::PATIENCE;

/// The first bytes of records (RFC 8446 section 5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;

/// In what pieces records go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As they come.
    #[default]
    Whole,
    /// Each byte in a segment of its own.
    Bytes,
    /// Handshake messages in the clear are cut into records of so many bytes.
    Fragments(usize),
}

/// A connection that speaks TLS.
pub(crate) struct Tls {
    pub(crate) session: Connection,
    pub(crate) wire: TcpStream,
    pub(crate) shape: Shape,
    /// True once a ChangeCipherSpec was sent: the bytes after it are encrypted.
    changed: bool,
}

impl Tls {
    pub(crate) fn client(wire: TcpStream, config: Arc<ClientConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Self::new(wire, ClientConnection::new(config, name).unwrap().into())
    }

    pub(crate) fn server(wire: TcpStream, config: Arc<ServerConfig>) -> Self {
        Self::new(wire, ServerConnection::new(config).unwrap().into())
    }

    fn new(wire: TcpStream, mut session: Connection) -> Self {
        wire.set_nodelay(true).unwrap();
        wire.set_read_timeout(Some(PATIENCE)).unwrap();
        wire.set_write_timeout(Some(PATIENCE)).unwrap();
        session.set_buffer_limit(None);
        Self { session, wire, shape: Shape::Whole, changed: false }
    }

    /// Does the handshake. An error of TLS is inside the error that comes of it.
    pub(crate) fn shake_hands(&mut self) -> io::Result<()> {
        while self.session.is_handshaking() {
            self.send_sealed()?;
            if self.session.is_handshaking() && self.session.wants_read() {
                self.receive()?;
            }
        }
        self.send_sealed()
    }

    /// The records for some plaintext, without sending them.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        self.session.writer().write_all(plain).unwrap();
        self.sealed()
    }

    /// All that rustls has to send.
    pub(crate) fn sealed(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut out).unwrap();
        }
        out
    }

    fn send_sealed(&mut self) -> io::Result<()> {
        let sealed = self.sealed();
        match self.shape {
            Shape::Whole => self.wire.write_all(&sealed),
            Shape::Bytes => sealed.iter().try_for_each(|byte| self.wire.write_all(&[*byte])),
            Shape::Fragments(size) => self.wire.write_all(&fragmented(&sealed, size, &mut self.changed)),
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        if again(|| self.session.read_tls(&mut self.wire))? == 0 && self.session.is_handshaking() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Err(error) = self.session.process_new_packets() {
            let _ = self.send_sealed();
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        Ok(())
    }
}

impl Read for Tls {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            self.send_sealed()?;
            self.receive()?;
        }
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shake_hands()?;
        self.session.writer().write_all(bytes)?;
        self.send_sealed()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire for Tls {
    fn socket(&self) -> &TcpStream {
        &self.wire
    }
}

impl Peer<Tls> {
    /// Says that it has finished (close_notify), and ends the sending direction.
    pub(crate) fn finish_tls(&mut self) {
        self.stream.session.send_close_notify();
        let _ = self.stream.send_sealed();
        self.finish();
    }

    /// Ends the sending direction without a word of it.
    pub(crate) fn finish(&mut self) {
        let _ = self.stream.wire.shutdown(std::net::Shutdown::Write);
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        Peer::over(self.stream.wire).reset();
    }
}

/// Cuts handshake records that are in the clear.
fn fragmented(records: &[u8], size: usize, changed: &mut bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = records;
    while let Some((header, behind)) = rest.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let (body, behind) = behind.split_at(length);
        *changed |= header[0] == CHANGE_CIPHER_SPEC;
        let size = if header[0] == HANDSHAKE && !*changed { size } else { length };
        for piece in body.chunks(size.max(1)) {
            out.extend([header[0], header[1], header[2]]);
            out.extend(u16::try_from(piece.len()).unwrap().to_be_bytes());
            out.extend(piece);
        }
        rest = behind;
    }
    out
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A client's configuration that trusts an authority.
pub(crate) fn client_config(authority: &Authority) -> ClientConfig {
    versions_config(authority, rustls::ALL_VERSIONS)
}

pub(crate) fn versions_config(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth()
}

/// One that shows a certificate.
pub(crate) fn client_config_with(authority: &Authority, shown: &Pair) -> ClientConfig {
    showing(authority, shown, rustls::ALL_VERSIONS)
}

pub(crate) fn showing(
    authority: &Authority,
    shown: &Pair,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_client_auth_cert(shown.chain(), shown.private_key())
        .unwrap()
}

/// A client's that takes any certificate.
pub(crate) fn trusting_anyone() -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider())))
        .with_no_client_auth()
}

/// Looks at no certificate: which one it is, the test asks.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A server's configuration.
pub(crate) fn server_config(pair: &Pair) -> Arc<ServerConfig> {
    server_versions(pair, rustls::ALL_VERSIONS)
}

pub(crate) fn server_versions(pair: &Pair, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(pair.chain(), pair.private_key()).unwrap())
}

/// One that asks clients for a certificate of an authority.
pub(crate) fn server_config_for(
    pair: &Pair,
    clients: &Authority,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let verifier = WebPkiClientVerifier::builder_with_provider(clients.roots(), provider()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
    let config = config.with_client_cert_verifier(verifier);
    Arc::new(config.with_single_cert(pair.chain(), pair.private_key()).unwrap())
}

/// A client whose TLS stands.
#[track_caller]
pub(crate) fn connect(to: SocketAddr, name: &str, config: ClientConfig) -> Peer<Tls> {
    connect_shaped(to, name, config, Shape::Whole)
}

#[track_caller]
pub(crate) fn connect_shaped(to: SocketAddr, name: &str, config: ClientConfig, shape: Shape) -> Peer<Tls> {
    match try_connect(to, name, Arc::new(config), shape) {
        Ok(peer) => peer,
        Err(error) => panic!("no TLS came about: {error}"),
    }
}

pub(crate) fn try_connect(
    to: SocketAddr,
    name: &str,
    config: Arc<ClientConfig>,
    shape: Shape,
) -> io::Result<Peer<Tls>> {
    let wire = TcpStream::connect_timeout(&to, PATIENCE).expect("it listens");
    let mut tls = Tls::client(wire, config, name);
    tls.shape = shape;
    tls.shake_hands()?;
    Ok(Peer::new(tls))
}

/// tungstenite over TLS, connected.
#[track_caller]
pub(crate) fn websocket(to: SocketAddr, name: &str, config: ClientConfig) -> WebSocket<Tls> {
    websocket_over(connect(to, name, config).stream, name)
}

#[track_caller]
pub(crate) fn websocket_over(stream: Tls, name: &str) -> WebSocket<Tls> {
    let request = format!("wss://{name}/").into_client_request().unwrap();
    match tungstenite::client::client_with_config(request, stream, Some(unlimited())) {
        Ok((socket, _)) => socket,
        Err(error) => panic!("no handshake came about: {error}"),
    }
}
