//! One connection through the proxy.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

use super::Fault;

/// Runs until one side has ended, or the fault ends it.
pub(super) async fn run(client: TcpStream, server: SocketAddr, mut fault: watch::Receiver<Fault>) {
    let _ = client.set_nodelay(true);
    let (mut from_client, mut to_client) = client.into_split();
    // An error on either side ends the connection, which is what the other side is to see.
    let _ = exchange(&mut from_client, &mut to_client, server, &mut fault).await;
}

async fn exchange(
    from_client: &mut OwnedReadHalf,
    to_client: &mut OwnedWriteHalf,
    server: SocketAddr,
    fault: &mut watch::Receiver<Fault>,
) -> io::Result<()> {
    // The server is called when the first request is passed on: a fault may keep it out of the matter.
    let mut connected: Option<(OwnedReadHalf, OwnedWriteHalf)> = None;
    let (mut request, mut answer) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    let mut passed = 0;
    loop {
        let from_server = async {
            match &mut connected {
                Some((from_server, _)) => from_server.read(&mut answer).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = fault.changed() => match changed {
                Ok(()) if *fault.borrow_and_update() == Fault::HalfClose => to_client.shutdown().await?,
                Ok(()) => {}
                Err(_) => return Ok(()),
            },
            read = from_client.read(&mut request) => {
                let bytes = request.get(..read?).unwrap_or_default();
                let now = *fault.borrow();
                if bytes.is_empty() {
                    return Ok(());
                }
                match now {
                    Fault::BlackHole => continue,
                    Fault::HalfClose => {
                        // Where it was done before there is nothing left to end.
                        let _ = to_client.shutdown().await;
                        continue;
                    }
                    _ => {}
                }
                if let Some(text) = answered(now) {
                    to_client.write_all(text.as_bytes()).await?;
                    return to_client.shutdown().await;
                }
                passed = 0;
                let (_, to_server) = match &mut connected {
                    Some(halves) => halves,
                    None => {
                        let server = TcpStream::connect(server).await?;
                        let _ = server.set_nodelay(true);
                        connected.insert(server.into_split())
                    }
                };
                to_server.write_all(bytes).await?;
            }
            read = from_server => {
                let bytes = answer.get(..read?).unwrap_or_default();
                if bytes.is_empty() {
                    return to_client.shutdown().await;
                }
                if !pass(bytes, to_client, &mut passed, fault).await? {
                    return Ok(());
                }
            }
        }
    }
}

/// What the proxy says in the server's place.
fn answered(fault: Fault) -> Option<String> {
    match fault {
        Fault::Answer(status) => {
            Some(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
        }
        Fault::Garbage => Some("\u{1}\u{2}%&/() this is no HTTP\r\n\r\n".to_owned()),
        _ => None,
    }
}

/// Passes a part of an answer on, as the fault has it. `false` ends the connection.
async fn pass(
    bytes: &[u8],
    to_client: &mut OwnedWriteHalf,
    passed: &mut usize,
    fault: &mut watch::Receiver<Fault>,
) -> io::Result<bool> {
    let mut rest = bytes;
    // Every change of the fault is heard at once, in the middle of an answer too.
    while !rest.is_empty() {
        let now = *fault.borrow_and_update();
        let span = match now {
            Fault::Delay(span) | Fault::Drip(span) => span,
            _ => Duration::ZERO,
        };
        if !span.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(span) => {}
                changed = fault.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return Ok(false),
                },
            }
        }
        let take = match now {
            Fault::BlackHole => return Ok(true),
            Fault::HalfClose => {
                let _ = to_client.shutdown().await;
                return Ok(true);
            }
            Fault::CutAfter(limit) => limit.saturating_sub(*passed).min(rest.len()),
            Fault::Drip(_) => 1,
            _ => rest.len(),
        };
        let (part, left) = rest.split_at(take);
        to_client.write_all(part).await?;
        *passed += part.len();
        rest = left;
        if matches!(now, Fault::CutAfter(limit) if *passed >= limit) {
            return Ok(false);
        }
    }
    Ok(true)
}
