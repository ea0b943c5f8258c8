//! Verifiers that add a rule to another one: the methods that the inner verifier answers.

/// The signatures of a handshake are judged by the verifier in this field.
macro_rules! signatures_by {
    ($inner:tt) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.$inner.verify_tls12_signature(message, certificate, signed)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.$inner.verify_tls13_signature(message, certificate, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.$inner.supported_verify_schemes()
        }
    };
}

/// Clients are asked for a certificate as the verifier in this field asks them.
macro_rules! clients_asked_by {
    ($inner:tt) => {
        fn offer_client_auth(&self) -> bool {
            self.$inner.offer_client_auth()
        }

        fn client_auth_mandatory(&self) -> bool {
            self.$inner.client_auth_mandatory()
        }

        fn root_hint_subjects(&self) -> &[DistinguishedName] {
            self.$inner.root_hint_subjects()
        }
    };
}

pub(super) use {clients_asked_by, signatures_by};
