//! The frames of a WebSocket that passes the gateway: a first byte that says who writes them and where the bytes are cut.

use portcullis_cli::gateway::fuzzing::{close_frame, first_frame, follow};

/// Takes the bytes.
pub fn run(data: &[u8]) {
    let Some((&how, bytes)) = data.split_first() else { return };
    let by_client = how & 1 == 1;
    let whole = follow(by_client, [bytes]);
    assert_eq!(whole, follow(by_client, bytes.chunks(1)), "cut after every byte");
    assert_eq!(whole, follow(by_client, bytes.chunks(usize::from(how >> 1) + 1)), "cut elsewhere");
    assert_eq!(whole, simplest(by_client, bytes), "as the simplest reader has it");

    let (mut rest, mut steps) = (bytes, 0);
    while !rest.is_empty() {
        match first_frame(by_client, rest) {
            Ok(taken) => {
                assert!((1..=rest.len()).contains(&taken), "something, and no more than there is");
                rest = &rest[taken..];
            }
            Err(_) => break,
        }
        steps += 1;
        assert!(steps <= bytes.len());
    }
    assert_eq!(rest.is_empty(), whole.is_ok());

    // What the gateway itself writes it understands.
    let code = u16::from_be_bytes([how, bytes.first().copied().unwrap_or(0)]);
    let reason = String::from_utf8_lossy(&bytes[..bytes.len().min(41)]).into_owned();
    let mask = by_client.then_some([how, 1, 2, 3]);
    assert_eq!(follow(by_client, [&close_frame(code, &reason, mask)[..]]), Ok((true, Some(code))));
}

/// RFC 6455 §5.2, read from one buffer.
fn simplest(by_client: bool, mut bytes: &[u8]) -> Result<(bool, Option<u16>), String> {
    let mut closed = None;
    loop {
        let Some(&first) = bytes.first() else { return Ok((true, closed)) };
        let opcode = first & 0x0f;
        if !matches!(opcode, 0..=2 | 8..=10) {
            return Err("a frame has a reserved opcode".to_owned());
        }
        const CONTROL: &str = "a control frame is fragmented or too long";
        if opcode >= 8 && first & 0x80 == 0 {
            return Err(CONTROL.to_owned());
        }
        let Some(&second) = bytes.get(1) else { return Ok((false, closed)) };
        if (second & 0x80 != 0) != by_client {
            return Err("a frame is masked as only the other side's are".to_owned());
        }
        if opcode >= 8 && second & 0x7f > 125 {
            return Err(CONTROL.to_owned());
        }
        let (long, mut head) = match second & 0x7f {
            126 => (bytes.get(2..4), 4),
            127 => (bytes.get(2..10), 10),
            _ => (Some(&bytes[1..2]), 2),
        };
        let Some(long) = long else { return Ok((false, closed)) };
        let length = long.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        let length = if head == 2 { length & 0x7f } else { length };
        if length >= 1 << 63 {
            return Err("a frame claims a length that no frame has".to_owned());
        }
        let mut mask = [0; 4];
        if by_client {
            let Some(found) = bytes.get(head..head + 4) else { return Ok((false, closed)) };
            mask.copy_from_slice(found);
            head += 4;
        }
        let Some(end) = usize::try_from(length).ok().and_then(|length| head.checked_add(length)) else {
            return Ok((false, closed));
        };
        let Some(payload) = bytes.get(head..end) else { return Ok((false, closed)) };
        if opcode == 8 {
            let code = match payload {
                [one, two, ..] => u16::from_be_bytes([one ^ mask[0], two ^ mask[1]]),
                _ => 1005,
            };
            closed = closed.or(Some(code));
        }
        bytes = &bytes[end..];
    }
}
