use super::ClientCertArg;
use super::args::{ListenTlsArgs, UpstreamTlsArgs};
use crate::routing::target::Target;
use crate::tls::server::ClientCertificates;

fn listen(certs: usize, keys: usize, ca: bool, mode: Option<ClientCertArg>) -> ListenTlsArgs {
    ListenTlsArgs {
        tls_cert: vec!["cert".into(); certs],
        tls_key: vec!["key".into(); keys],
        client_ca: ca.then(|| "ca".into()),
        client_cert: mode,
        ..ListenTlsArgs::default()
    }
}

#[test]
fn clients_are_asked_for_certificates_as_the_flags_say() {
    use ClientCertArg::{Off, Optional, Required};
    for (ca, mode, is) in [
        (false, None, "off"),
        (false, Some(Off), "off"),
        (true, None, "required"),
        (true, Some(Required), "required"),
        (true, Some(Optional), "optional"),
        (true, Some(Off), "off"),
    ] {
        let server = listen(1, 1, ca, mode).server().unwrap().unwrap();
        assert_eq!(server.clients().to_string(), is);
        assert_eq!(server.files().count(), if matches!(server.clients(), ClientCertificates::Off) { 2 } else { 3 });
    }
    assert!(listen(0, 0, false, None).server().unwrap().is_none());
    assert!(listen(0, 0, false, Some(Off)).server().unwrap().is_none());
}

#[test]
fn flags_of_the_listener_that_do_not_fit_each_other_are_named() {
    use ClientCertArg::{Off, Optional, Required};
    for (args, says) in [
        (listen(2, 1, false, None), "--tls-cert is given 2 times and --tls-key 1 time;"),
        (listen(0, 1, false, None), "--tls-cert is given 0 times"),
        (listen(1, 1, false, Some(Required)), "--client-cert required needs --client-ca"),
        (listen(1, 1, false, Some(Optional)), "--client-cert optional needs --client-ca"),
        (listen(0, 0, true, None), "--client-ca applies to TLS only"),
        (listen(0, 0, true, Some(Off)), "--client-ca applies to TLS only"),
        (listen(0, 0, false, Some(Required)), "--client-cert required needs --client-ca"),
    ] {
        let error = args.server().map(|_| ()).unwrap_err();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
    }
}

#[test]
fn flags_of_the_upstream_that_do_not_fit_are_named() {
    let plain: Target = "ws://a".parse().unwrap();
    let tls: Target = "wss://a".parse().unwrap();
    let none = UpstreamTlsArgs::default;
    assert!(none().client(&plain).unwrap().is_none());
    for (target, args, says) in [
        (&plain, UpstreamTlsArgs { upstream_ca: vec!["x".into()], ..none() }, "--upstream-ca applies to TLS"),
        (&plain, UpstreamTlsArgs { upstream_insecure_skip_verify: true, ..none() }, "ws://a is plain text"),
        (&tls, UpstreamTlsArgs { upstream_cert: Some("x".into()), ..none() }, "--upstream-cert needs --upstream-key"),
        (&tls, UpstreamTlsArgs { upstream_key: Some("x".into()), ..none() }, "--upstream-key needs --upstream-cert"),
        (&tls, UpstreamTlsArgs { upstream_server_name: Some("a b".into()), ..none() }, "--upstream-server-name: `a b`"),
        (
            &tls,
            UpstreamTlsArgs { upstream_ca: vec!["/nowhere".into()], ..none() },
            "--upstream-ca /nowhere: there is no",
        ),
        (
            &tls,
            UpstreamTlsArgs { upstream_ca: vec!["/nowhere".into()], upstream_insecure_skip_verify: true, ..none() },
            "--upstream-ca has no effect",
        ),
    ] {
        let error = args.client(target).map(|_| ()).unwrap_err();
        assert!(error.contains(says), "{error:?} does not say {says:?}");
    }
}

#[test]
fn the_targets_host_is_the_name_unless_another_is_given() {
    let target: Target = "wss://[::1]:8443/x".parse().unwrap();
    for (given, name) in [(None, "::1"), (Some("up.test"), "up.test")] {
        let args = UpstreamTlsArgs {
            upstream_server_name: given.map(str::to_owned),
            upstream_insecure_skip_verify: true,
            ..UpstreamTlsArgs::default()
        };
        let (_, upstream) = args.client(&target).unwrap().unwrap();
        assert_eq!((upstream.name.to_str().as_ref(), upstream.is_verified), (name, false));
    }
}

#[test]
fn a12_the_largest_record_has_a_range_and_belongs_to_tls() {
    let with = |certs, bytes| ListenTlsArgs { tls_max_record_bytes: Some(bytes), ..listen(certs, certs, false, None) };
    for bytes in [512, 4096, 16_384] {
        assert!(matches!(with(1, bytes).server(), Ok(Some(_))), "{bytes}");
    }
    for bytes in [0, 511, 16_385, u64::MAX] {
        let why = with(1, bytes).server().unwrap_err();
        assert!(why.contains("--tls-max-record-bytes") && why.contains("from 512 to 16384"), "{why}");
    }
    let why = with(0, 1024).server().unwrap_err();
    assert!(why.contains("--tls-max-record-bytes applies to TLS only"), "{why}");
}
