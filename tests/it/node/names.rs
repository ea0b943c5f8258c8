//! Names, with the real process and a DNS server that is the test's: each test in a network namespace of its own, where
//! there are addresses besides loopback to answer with.

use crate::harness::namespace::in_namespaces;

/// The addresses 10.77.0.0/24, and fd77::1 to fd77::3: there at once, and not only when the kernel has looked whether
/// another host has them.
const ADDRESSES: &str =
    "ip addr add 10.77.0.1/24 dev lo && for n in 1 2 3; do ip addr add fd77::$n/128 dev lo nodad || exit 1; done";

in_namespaces! {
    ADDRESSES;
    a_changed_answer_counts_for_new_connections_and_an_open_one_stays
    a_server_that_goes_away_leaves_the_last_good_answer_in_use
    a_server_that_never_answers_delays_no_connection
    whatever_else_a_server_says_leaves_the_last_good_answer_in_use
    a_name_that_is_not_resolved_at_start_is_a_503_until_it_is
    addresses_that_must_not_come_from_dns_are_not_dialled
    fifty_addresses_are_cut_to_sixteen_that_are_tried_in_turn
    an_address_that_never_answers_makes_way_for_the_next
    ipv6_goes_first_only_where_it_leads_somewhere
    a_family_that_cannot_be_asked_for_keeps_its_last_addresses
    an_address_that_the_hosts_file_gave_is_not_said_to_be_from_dns
    the_hosts_file_goes_before_dns_and_its_changes_count
    search_domains_and_servers_are_those_of_resolv_conf
    the_next_server_is_asked_when_one_does_not_answer
    b7_a_name_that_dns_says_is_gone_is_used_for_its_bound_and_no_longer
}

mod inside {
    use std::net::{SocketAddr, TcpStream};
    use std::time::{Duration, Instant};

    use crate::harness::dns::{Dns, Mood};
    use crate::harness::namespace::HostFile;
    use crate::harness::{Peer, Ringway, Upstream, client, open, until};

    /// The port of every upstream: a namespace has nobody else in it.
    const PORT: u16 = 9000;

    fn upstream(address: &str) -> Upstream {
        Upstream::listen_at(SocketAddr::new(address.parse().unwrap(), PORT))
    }

    fn proxy(name: &str, more: &[&str]) -> Ringway {
        Ringway::proxy_to(&format!("ws://{name}:{PORT}"), None, more)
    }

    fn proxy_asking(dns: &Dns, more: &[&str]) -> Ringway {
        let server = dns.address().to_string();
        proxy("api.test", &[&["--resolver", &server], more].concat())
    }

    /// The answer to a new connection; the upstream accepts it if it arrives there.
    fn status(ringway: &Ringway, upstream: &Upstream) -> String {
        let mut client = Peer::connect(ringway.address());
        client.send(client::handshake("/", "").as_bytes());
        let mut taken = None;
        until("an answer, or a connection", || {
            if taken.is_none()
                && let Some(stream) = upstream.try_accept()
            {
                let mut server = Peer::over(stream);
                let request = server.head();
                server.switch(&request, "");
                taken = Some(server);
            }
            (taken.is_some() || !client.is_quiet()).then_some(())
        });
        client.head().lines().next().unwrap_or_default().to_owned()
    }

    /// Connects until it comes to `to`, and not to `from` any more.
    fn moves(ringway: &Ringway, from: &Upstream, to: &Upstream) {
        until("a new connection goes to the new address", || {
            let mut client = Peer::connect(ringway.address());
            client.send(client::handshake("/", "").as_bytes());
            until("it goes somewhere", || {
                let (old, new) = (from.try_accept(), to.try_accept());
                (old.is_some() || new.is_some()).then_some(new.is_some())
            })
            .then_some(())
        });
    }

    fn field<'l>(line: &'l str, name: &str) -> &'l str {
        let (_, rest) = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name} in {line}"));
        match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap(),
            None => rest.split(' ').next().unwrap(),
        }
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn a_changed_answer_counts_for_new_connections_and_an_open_one_stays() {
        let (dns, first, second) = (Dns::start(), upstream("10.77.0.1"), upstream("10.77.0.2"));
        dns.says("api.test", "10.77.0.1");
        let ringway = proxy_asking(&dns, &[]);
        assert!(ringway.announced().contains("target: ws://api.test:9000 (at 10.77.0.1)\n"), "{}", ringway.announced());
        let (mut client, mut server) = open(&ringway, &first, "", "");
        dns.says("api.test", "10.77.0.2");
        moves(&ringway, &first, &second);
        let line = ringway.logged("the target's addresses have changed");
        assert_eq!((field(&line, "was"), field(&line, "addresses")), ("10.77.0.1", "10.77.0.2"), "{line}");
        client.say("still there");
        assert_eq!(server.frame().payload, b"still there");
        server.answer("and back");
        client.hears("and back");
        drop((client, server));
        // The search domains of the host do not come in where the name itself is known.
        assert!(dns.asked().iter().all(|name| name == "api.test"), "{:?}", dns.asked());
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn a_server_that_goes_away_leaves_the_last_good_answer_in_use() {
        let (dns, upstream) = (Dns::start(), upstream("10.77.0.1"));
        dns.says("api.test", "10.77.0.1");
        let ringway = proxy_asking(&dns, &[]);
        dns.mood(Mood::Down);
        let line = ringway.logged("its last good answer stays in use");
        assert!(line.contains(" WARN ") && field(&line, "why").contains(&dns.address().to_string()), "{line}");
        assert_eq!((field(&line, "name"), field(&line, "addresses")), ("api.test", "10.77.0.1"), "{line}");
        assert!(field(&line, "age").ends_with('s'), "{line}");
        open(&ringway, &upstream, "", "");
        // Both of its sockets are closed once it has seen that it is to be down.
        let dns = until("its port is free", || {
            let _ = TcpStream::connect(dns.address());
            std::net::UdpSocket::bind(dns.address())
                .is_ok()
                .then(|| std::net::TcpListener::bind(dns.address()).ok())??;
            Some(Dns::start_at(dns.address()))
        });
        dns.says("api.test", "10.77.0.1");
        let line = ringway.logged("the target's name is resolved again");
        assert!(line.contains(" INFO ") && line.contains("failed_for="), "{line}");
        assert_eq!(ringway.log().matches("stays in use").count(), 1, "one line for one failure: {}", ringway.log());
        assert!(!ringway.log().contains("hickory"), "{}", ringway.log());
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn b7_a_name_that_dns_says_is_gone_is_used_for_its_bound_and_no_longer() {
        let (dns, upstream) = (Dns::start(), upstream("10.77.0.1"));
        dns.says("api.test", "10.77.0.1");
        let ringway = proxy_asking(&dns, &["--gone-name-timeout", "1500ms"]);
        // Failures of the server say nothing of the name, however long they last.
        dns.mood(Mood::Fails(2));
        let asked = dns.asked().len();
        until("it was asked again and again", || (dns.asked().len() > asked + 8).then_some(()));
        assert!(status(&ringway, &upstream).starts_with("HTTP/1.1 101"), "{}", ringway.log());
        dns.mood(Mood::Answers);
        dns.forget("api.test");
        let line = ringway.logged("the target's name is gone");
        assert!(line.contains("NXDOMAIN") && field(&line, "addresses") == "10.77.0.1", "{line}");
        assert!(status(&ringway, &upstream).starts_with("HTTP/1.1 503"), "{}", ringway.log());
        dns.says("api.test", "10.77.0.1");
        until("it is used again", || status(&ringway, &upstream).starts_with("HTTP/1.1 101").then_some(()));
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn a_server_that_never_answers_delays_no_connection() {
        let (dns, upstream) = (Dns::start(), upstream("10.77.0.1"));
        dns.says("api.test", "10.77.0.1");
        let ringway = proxy_asking(&dns, &[]);
        dns.mood(Mood::Silent);
        // A question has two seconds before it is given up. On a busy host a round may take as long without waiting for that:
        // then the next one shows it.
        until("connections come about while a question is out", || {
            let asked = dns.asked().len();
            until("it is asked and does not answer", || (dns.asked().len() > asked).then_some(()));
            let begun = Instant::now();
            for _ in 0..20 {
                open(&ringway, &upstream, "", "");
            }
            (begun.elapsed() < Duration::from_millis(1500)).then_some(())
        });
        let line = ringway.logged("its last good answer stays in use");
        assert!(field(&line, "why").contains("timed out"), "{line}");
        open(&ringway, &upstream, "", "");
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn whatever_else_a_server_says_leaves_the_last_good_answer_in_use() {
        let (dns, upstream) = (Dns::start(), upstream("10.77.0.1"));
        dns.says("api.test", "10.77.0.1");
        let ringway = proxy_asking(&dns, &[]);
        let bad: [(&dyn Fn(), &str); 4] = [
            (&|| dns.mood(Mood::Garbage), "server 127.0.0.1:"),
            (&|| dns.mood(Mood::Fails(2)), "Server Failure"),
            (&|| dns.says("api.test", ""), "neither an A nor an AAAA record"),
            (&|| dns.forget("api.test"), "the name does not exist (NXDOMAIN)"),
        ];
        for (at, (happens, why)) in bad.into_iter().enumerate() {
            happens();
            let line = until(why, || {
                let log = ringway.log();
                log.lines().filter(|line| line.contains("stays in use")).nth(at).map(str::to_owned)
            });
            assert!(field(&line, "why").contains(why), "{line}");
            open(&ringway, &upstream, "", "");
            dns.mood(Mood::Answers);
            dns.says("api.test", "10.77.0.1");
            until("it is well again", || (ringway.log().matches("is resolved again").count() == at + 1).then_some(()));
        }
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn a_name_that_is_not_resolved_at_start_is_a_503_until_it_is() {
        let (dns, upstream) = (Dns::start(), upstream("10.77.0.1"));
        let moods: [(Mood, &str); 2] =
            [(Mood::Silent, "no answer within 1 s"), (Mood::Answers, "the name does not exist (NXDOMAIN)")];
        for (mood, why) in moods {
            dns.mood(mood);
            dns.forget("api.test");
            let ringway = proxy_asking(&dns, &["--connect-timeout", "1s"]);
            let said = ringway.announced();
            assert!(said.contains("target: ws://api.test:9000 (not resolved yet)\n"), "{said}");
            let line = ringway.logged("the target's name is not resolved");
            assert!(line.contains("ERROR") && line.contains("--resolver"), "{line}");
            assert_eq!((field(&line, "name"), field(&line, "why")), ("api.test", why));
            let mut client = Peer::connect(ringway.address());
            client.send(client::handshake("/", "").as_bytes());
            let (answer, _) = client.rest();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 5\r\n"), "{answer}");
            assert!(answer.contains("\"code\":\"upstream-unresolved\""), "{answer}");
            ringway.logged("refused: upstream-unresolved");
            dns.mood(Mood::Answers);
            dns.says("api.test", "10.77.0.1");
            until("it is served", || status(&ringway, &upstream).contains(" 101 ").then_some(()));
            ringway.logged("the target's name is resolved again");
        }
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn addresses_that_must_not_come_from_dns_are_not_dialled() {
        let (dns, good, here) = (Dns::start(), upstream("10.77.0.1"), upstream("127.0.0.1"));
        let lies =
            "127.0.0.1 169.254.169.254 0.0.0.0 255.255.255.255 224.0.0.1 ::1 fe80::1 ::ffff:127.0.0.1 64:ff9b::7f00:1";
        dns.says("api.test", &format!("{lies} 10.77.0.1"));
        let ringway = proxy_asking(&dns, &[]);
        assert!(ringway.announced().contains("(at 10.77.0.1)\n"), "{}", ringway.announced());
        let line = ringway.logged("that must not come from it");
        let named = field(&line, "addresses");
        for address in
            ["127.0.0.1 (loopback)", "169.254.169.254 (link-local)", "fe80::1 (link-local)", "::1 (loopback)"]
        {
            assert!(named.contains(address), "{line}");
        }
        assert!(line.contains(" WARN ") && line.contains("/etc/hosts"), "{line}");
        open(&ringway, &good, "", "");
        // The attack: a name that was right, and now is this host's.
        dns.says("api.test", lies);
        let line = ringway.logged("its last good answer stays in use");
        assert!(field(&line, "why").contains("only addresses that must not come from it"), "{line}");
        for _ in 0..10 {
            open(&ringway, &good, "", "");
        }
        assert!(here.try_accept().is_none(), "loopback was dialled");
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn fifty_addresses_are_cut_to_sixteen_that_are_tried_in_turn() {
        let (dns, last) = (Dns::start(), upstream("10.77.0.16"));
        let many: Vec<String> =
            (1..=50).flat_map(|n| [format!("10.77.0.{n}"), format!("10.77.0.{}", n.min(4))]).collect();
        dns.says("api.test", &many.join(" "));
        // So long that an address which is not known to refuse keeps its turn.
        let ringway = proxy_asking(&dns, &["--connect-timeout", "1h"]);
        assert!(dns.over_tcp() > 0, "the answer does not fit a datagram");
        let line = ringway.logged("more addresses than are used");
        assert!(line.contains("found=50") && line.contains("used=16"), "{line}");
        // Fifteen refuse; the sixteenth takes it.
        open(&ringway, &last, "", "");
        drop(last);
        // None of them listens, and the seventeenth is not tried.
        let beyond = upstream("10.77.0.17");
        assert!(status(&ringway, &beyond).contains(" 502 "));
        assert!(beyond.try_accept().is_none());
    }

    /// Listens, and answers nobody: its queue is full.
    fn deaf(address: &str) -> Vec<socket2::Socket> {
        let address = SocketAddr::new(address.parse().unwrap(), PORT);
        let socket =
            || socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None).unwrap();
        let mut held = vec![socket()];
        held[0].bind(&address.into()).unwrap();
        held[0].listen(0).unwrap();
        loop {
            let next = socket();
            let connected = next.connect_timeout(&address.into(), Duration::from_millis(200)).is_ok();
            held.push(next);
            if !connected {
                return held;
            }
        }
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn an_address_that_never_answers_makes_way_for_the_next() {
        let (dns, good) = (Dns::start(), upstream("10.77.0.2"));
        let _deaf = deaf("10.77.0.1");
        dns.says("api.test", "10.77.0.1 10.77.0.2");
        let ringway = proxy_asking(&dns, &["--connect-timeout", "8s"]);
        let begun = Instant::now();
        open(&ringway, &good, "", "");
        let took = begun.elapsed();
        assert!(
            (Duration::from_secs(4)..Duration::from_secs(8)).contains(&took),
            "half of eight seconds, not {took:?}"
        );
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn ipv6_goes_first_only_where_it_leads_somewhere() {
        let (dns, four, six) = (Dns::start(), upstream("10.77.0.1"), upstream("fd77::1"));
        dns.says("api.test", "10.77.0.1 10.77.0.2 fd77::1 fd77::2");
        let ringway = proxy_asking(&dns, &[]);
        let said = ringway.announced();
        assert!(said.contains("(at fd77::1, 10.77.0.1, fd77::2, 10.77.0.2)\n"), "{said}");
        open(&ringway, &six, "", "");
        assert!(four.try_accept().is_none());
        drop(ringway);
        dns.says("api.test", "fd88::1 10.77.0.1 10.77.0.2");
        let ringway = proxy_asking(&dns, &[]);
        assert!(ringway.announced().contains("(at 10.77.0.1, 10.77.0.2, fd88::1)\n"), "{}", ringway.announced());
        open(&ringway, &four, "", "");
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn a_family_that_cannot_be_asked_for_keeps_its_last_addresses() {
        let (dns, four) = (Dns::start(), upstream("10.77.0.1"));
        dns.says("api.test", "10.77.0.1 fd77::1");
        let ringway = proxy_asking(&dns, &[]);
        assert!(ringway.announced().contains("(at fd77::1, 10.77.0.1)\n"), "{}", ringway.announced());
        dns.mood(Mood::FailsForIpv4);
        dns.says("api.test", "10.77.0.1 fd77::2");
        let line = ringway.logged("the target's addresses have changed");
        assert_eq!(field(&line, "addresses"), "fd77::2, 10.77.0.1", "{line}");
        open(&ringway, &four, "", "");
        drop(ringway);
        // With nothing to keep, what there is will do.
        let ringway = proxy_asking(&dns, &[]);
        assert!(ringway.announced().contains("(at fd77::2)\n"), "{}", ringway.announced());
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn an_address_that_the_hosts_file_gave_is_not_said_to_be_from_dns() {
        let (dns, six) = (Dns::start(), upstream("fd77::1"));
        let hosts = HostFile::replace("/etc/hosts", "127.0.0.1 api.test\n");
        dns.says("api.test", "fd77::1");
        dns.mood(Mood::FailsForIpv4);
        let ringway = proxy_asking(&dns, &[]);
        assert!(ringway.announced().contains("(at 127.0.0.1)\n"), "{}", ringway.announced());
        hosts.write("");
        let line = ringway.logged("and they are not used");
        assert!(!line.contains("DNS gave") && line.contains("/etc/hosts gave"), "{line}");
        assert_eq!(field(&line, "addresses"), "127.0.0.1 (loopback)", "{line}");
        open(&ringway, &six, "", "");
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn the_hosts_file_goes_before_dns_and_its_changes_count() {
        let (dns, first, second, here) =
            (Dns::start(), upstream("10.77.0.1"), upstream("10.77.0.2"), upstream("127.0.0.1"));
        dns.says("api.test", "10.77.0.9");
        let hosts = HostFile::replace("/etc/hosts", "10.77.0.1 other Api.Test # comment\n");
        let ringway = proxy_asking(&dns, &[]);
        open(&ringway, &first, "", "");
        hosts.write("10.77.0.2 api.test\n");
        moves(&ringway, &first, &second);
        // What the operator wrote may be loopback.
        hosts.write("127.0.0.1 api.test\n");
        moves(&ringway, &second, &here);
        assert_eq!(dns.asked(), Vec::<String>::new());
        assert!(!ringway.log().contains("WARN ringway::control::resolver"), "{}", ringway.log());
        drop(ringway);
        // `localhost` needs neither a file nor a server.
        hosts.write("");
        for name in ["localhost", "api.localhost", "LOCALHOST."] {
            let ringway = proxy(name, &["--resolver", &dns.address().to_string()]);
            assert!(ringway.announced().contains("(at ::1, 127.0.0.1)\n"), "{}", ringway.announced());
            open(&ringway, &here, "", "");
        }
        assert_eq!(dns.asked(), Vec::<String>::new());
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn search_domains_and_servers_are_those_of_resolv_conf() {
        let (dns, moved) =
            (Dns::start_at("127.0.0.1:53".parse().unwrap()), Dns::start_at("127.0.0.2:53".parse().unwrap()));
        let (first, second) = (upstream("10.77.0.1"), upstream("10.77.0.2"));
        let _hosts = HostFile::replace("/etc/hosts", "");
        let conf = HostFile::replace("/etc/resolv.conf", "search one.test two.test\nnameserver 127.0.0.1\n");
        // Long enough that only the change of the file can be why it is asked again.
        dns.ttl(300);
        dns.says("api.two.test", "10.77.0.1");
        moved.says("api.two.test", "10.77.0.2");
        let ringway = proxy("api", &[]);
        open(&ringway, &first, "", "");
        let asked = dns.asked();
        let place = |name: &str| asked.iter().position(|asked| asked == name);
        assert!(place("api.one.test") < place("api.two.test") && place("api.one.test").is_some(), "{asked:?}");
        assert_eq!(place("api"), None);
        conf.write("search two.test\nnameserver 127.0.0.2\n");
        moves(&ringway, &first, &second);
        drop(ringway);
        // A dot at the end: this name and no other.
        let before = moved.asked().len();
        let ringway = proxy("api.", &["--connect-timeout", "1s"]);
        assert!(ringway.announced().contains("(not resolved yet)"), "{}", ringway.announced());
        drop(ringway);
        assert!(moved.asked()[before..].iter().all(|name| name == "api"), "{:?}", moved.asked());
        // Enough dots: the name as it stands goes first.
        let before = moved.asked().len();
        conf.write("search two.test\noptions ndots:2\nnameserver 127.0.0.2\n");
        moved.says("a.b", "10.77.0.1");
        let ringway = proxy("a.b", &[]);
        open(&ringway, &first, "", "");
        assert_eq!(moved.asked()[before], "a.b.two.test");
    }

    #[test]
    #[ignore = "started in a namespace of its own"]
    fn the_next_server_is_asked_when_one_does_not_answer() {
        let (silent, failing, good, upstream) = (Dns::start(), Dns::start(), Dns::start(), upstream("10.77.0.1"));
        silent.mood(Mood::Silent);
        failing.mood(Mood::Fails(2));
        good.says("api.test", "10.77.0.1");
        let servers = [&silent, &failing, &good].map(|dns| dns.address().to_string()).join(",");
        let ringway = proxy("api.test", &["--resolver", &servers]);
        assert!(ringway.announced().contains("(at 10.77.0.1)"), "{}", ringway.announced());
        open(&ringway, &upstream, "", "");
        assert!(!ringway.log().contains("WARN"), "{}", ringway.log());
    }
}
