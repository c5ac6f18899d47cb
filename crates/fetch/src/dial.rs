//! From checked addresses to a connection. Only addresses are dialled here, never names.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::FetchError;

/// How long one address has to accept.
const CONNECT_ATTEMPT: Duration = Duration::from_secs(2);
/// How many addresses of one host are tried. All are checked, those that are not tried included.
const ADDRESSES_TRIED: usize = 4;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection, encrypted or not.
pub(crate) type Wire = Box<dyn Stream>;
pub(crate) type Dialling<'a> = Pin<Box<dyn Future<Output = io::Result<Wire>> + Send + 'a>>;

/// The way out. A seam for tests, which put an internet of their own behind it.
pub(crate) trait Dial: Send + Sync {
    fn dial(&self, address: SocketAddr) -> Dialling<'_>;
}

/// TCP, as the operating system has it.
pub(crate) struct Tcp;

impl Dial for Tcp {
    fn dial(&self, address: SocketAddr) -> Dialling<'_> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Wire)
        })
    }
}

/// The first of `addresses` that accepts.
pub(crate) async fn first_to_accept(
    dial: &dyn Dial,
    addresses: &[IpAddr],
    port: u16,
) -> Result<Wire, FetchError> {
    let mut failure = FetchError::Connect;
    for address in in_turn(addresses).into_iter().take(ADDRESSES_TRIED) {
        failure = match timeout(CONNECT_ATTEMPT, dial.dial(SocketAddr::new(address, port))).await {
            Ok(Ok(wire)) => return Ok(wire),
            Ok(Err(_)) => FetchError::Connect,
            Err(_) => FetchError::Timeout,
        };
    }
    Err(failure)
}

/// The two families by turns, beginning with the one the resolver prefers: where one of them leads nowhere, the
/// second attempt already takes the other (RFC 8305 §4).
fn in_turn(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let prefers_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (preferred, other): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().partition(|address| address.is_ipv6() == prefers_v6);
    let mut turns = Vec::with_capacity(addresses.len());
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    loop {
        let (one, two) = (preferred.next(), other.next());
        if one.is_none() && two.is_none() {
            return turns;
        }
        turns.extend(one.into_iter().chain(two));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_beginning_with_the_preferred() {
        let read = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        for (name, given, expected) in [
            ("none", &[][..], &[][..]),
            ("one family", &["1.1.1.1", "1.0.0.1"], &["1.1.1.1", "1.0.0.1"]),
            ("six first", &["2600::1", "2600::2", "1.1.1.1"], &["2600::1", "1.1.1.1", "2600::2"]),
            ("four first", &["1.1.1.1", "1.0.0.1", "2600::1"], &["1.1.1.1", "2600::1", "1.0.0.1"]),
        ] {
            assert_eq!(in_turn(&read(given)), read(expected), "{name}");
        }
    }
}
