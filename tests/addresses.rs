//! A host with several addresses is reached through the first that answers (RFC 8305).

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use crate::support::isolated::isolated;
use crate::support::launch::{Launch, redenv_run};
use crate::support::namespace::in_a_network_of_its_own;
use crate::support::project::Project;
use crate::support::proxy::Proxy;
use crate::support::server::Server;
use crate::support::vault::{Certificate, Vault};

const HOST: &str = "vault.example";
const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER_IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const LAST_IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
/// Far less than a half or a third of the ten seconds of `--timeout`, and far more than 250 ms for each dead
/// address and a launch.
const SOON: Duration = Duration::from_millis(1500);

/// Live at 127.0.0.1, and a port that is free at every other address.
fn vault() -> Vault {
    let project = Project::new("acme").secret("development", "GREETING", "hello");
    Vault::builder().project(&project).tls(Certificate::Valid).name(HOST).start()
}

/// A launch where `host` has these addresses.
fn where_names_lead(launch: Launch, host: &str, addresses: &[IpAddr]) -> Launch {
    let hosts: Vec<String> = addresses.iter().map(|address| format!("{address} {host}")).collect();
    let launch = launch.file("hosts", hosts.join("\n") + "\n").file("nsswitch.conf", "hosts: files\n");
    let setup = "mount --bind hosts /etc/hosts\nmount --bind nsswitch.conf /etc/nsswitch.conf";
    isolated(launch.program(["sh", "-c", "echo $GREETING"]), &["--mount"], setup)
}

fn towards(vault: &Vault, addresses: &[IpAddr]) -> Launch {
    let launch = redenv_run(vault).env("UPSTASH_REDIS_URL", vault.url_at(HOST));
    where_names_lead(launch, HOST, addresses)
}

/// An address that lets no connection through: its queue is full, so the kernel drops what comes.
struct Dead {
    _listener: OwnedFd,
    _queue: Vec<TcpStream>,
}

impl Dead {
    fn at(ip: IpAddr, port: u16) -> Self {
        let family = if ip.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        // No process of another test keeps it open.
        let listener = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        let address = SocketAddr::new(ip, port);
        bind(&listener, &address).unwrap();
        listen(&listener, 0).unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        Self { _listener: listener, _queue: std::iter::from_fn(connect).collect() }
    }
}

/// Passes every connection to `address` on to another.
fn forward(address: SocketAddr, to: SocketAddr) -> Server {
    Server::start_at(address, move |near| {
        let far = TcpStream::connect(to).unwrap();
        thread::scope(|both| {
            both.spawn(|| io::copy(&mut &near, &mut &far));
            drop(io::copy(&mut &far, &mut &near));
        });
    })
}

/// The quickest of three launches, as the machine may be busy, is soon.
#[track_caller]
fn assert_starts_soon(launch: impl Fn() -> Launch) {
    let took = (0..3).map(|_| {
        let start = Instant::now();
        launch().run().assert_ran("hello\n");
        start.elapsed()
    });
    let quickest = took.min().unwrap();
    println!("{quickest:?}");
    assert!(quickest < SOON, "{quickest:?}");
}

#[test]
fn one_dead_address_of_two_costs_little() {
    in_a_network_of_its_own(|| {
        let vault = vault();
        let _dead = Dead::at(IPV6, vault.address().port());
        assert_starts_soon(|| towards(&vault, &[IPV6, IPV4]));
    });
}

#[test]
fn two_dead_addresses_of_three_cost_little() {
    in_a_network_of_its_own(|| {
        let vault = vault();
        let port = vault.address().port();
        let _dead = (Dead::at(IPV6, port), Dead::at(OTHER_IPV4, port));
        // The resolver would put 127.0.0.1 in front of every other IPv4 address.
        let _live = forward(SocketAddr::new(LAST_IPV4, port), vault.address());
        assert_starts_soon(|| towards(&vault, &[IPV6, OTHER_IPV4, LAST_IPV4]));
    });
}

#[test]
fn the_next_address_follows_a_refusal_at_once() {
    in_a_network_of_its_own(|| {
        let vault = vault();
        assert_starts_soon(|| towards(&vault, &[IPV6, OTHER_IPV4, IPV4]));
        assert_eq!(vault.connections(), 3, "one for each launch");
    });
}

#[test]
fn a_host_may_have_addresses_of_one_family_alone() {
    in_a_network_of_its_own(|| {
        let vault = vault();
        towards(&vault, &[IPV4]).run().assert_ran("hello\n");
        let _ipv6 = forward(SocketAddr::new(IPV6, vault.address().port()), vault.address());
        towards(&vault, &[IPV6]).run().assert_ran("hello\n");
    });
}

#[test]
fn a_proxy_is_reached_at_the_first_address_that_answers() {
    in_a_network_of_its_own(|| {
        let (vault, proxy) = (vault(), Proxy::start());
        let port = proxy.address().port();
        let _dead = Dead::at(IPV6, port);
        assert_starts_soon(|| {
            let launch = redenv_run(&vault).env("UPSTASH_REDIS_URL", vault.url_at(HOST));
            let launch = launch.env("HTTPS_PROXY", format!("http://proxy.example:{port}"));
            where_names_lead(launch, "proxy.example", &[IPV6, IPV4])
        });
    });
}

#[test]
fn without_a_live_address_the_deadline_ends_it_and_each_is_named() {
    in_a_network_of_its_own(|| {
        let vault = vault();
        let port = vault.address().port();
        let dead = [Dead::at(IPV6, port), Dead::at(OTHER_IPV4, port)];
        let assert_named = |addresses: &[IpAddr], did: &str| {
            let start = Instant::now();
            let outcome = towards(&vault, addresses).env("REDENV_TIMEOUT", "1s").run();
            assert!(start.elapsed() >= Duration::from_millis(990), "{:?}", start.elapsed());
            let error = format!("error: {HOST}:{port} could not be reached within 1s: {did}");
            let hint = "hint: check UPSTASH_REDIS_URL, this machine's network and firewall; set HTTPS_PROXY if you need a proxy";
            outcome.assert_failed(125, &[&error, hint]);
        };
        let both = format!("[::1]:{port}: no answer; 127.0.0.2:{port}: no answer");
        assert_named(&[IPV6, OTHER_IPV4], &both);
        assert_named(&[OTHER_IPV4], "no answer");
        let [_ipv6, other] = dead;
        drop(other);
        let refused = format!("[::1]:{port}: no answer; 127.0.0.2:{port}: connection refused");
        assert_named(&[IPV6, OTHER_IPV4], &refused);
    });
}

#[test]
fn an_address_that_breaks_in_tls_is_no_reason_to_try_the_next() {
    in_a_network_of_its_own(|| {
        let vault = vault();
        let address = SocketAddr::new(IPV6, vault.address().port());
        let broken = Server::start_at(address, |mut stream| {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
            drop(io::copy(&mut stream, &mut io::sink()));
        });
        let outcome = towards(&vault, &[IPV6, IPV4]).run();
        assert_eq!(outcome.code(), Some(125));
        let error = format!("redenv-run: error: {HOST} failed to set up TLS: it did not answer in TLS\n");
        assert!(outcome.stderr.starts_with(&error), "{}", outcome.stderr);
        assert_eq!((broken.connections(), vault.connections()), (1, 0));
    });
}
