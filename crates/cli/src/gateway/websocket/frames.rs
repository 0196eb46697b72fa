//! Where frames begin and end in the bytes of one direction (RFC 6455 §5.2). Nothing of what they carry is kept but the
//! code of a Close frame, and it makes no difference which extensions were negotiated: those change payloads.

use std::fmt;

/// The longest head: two bytes, a length of eight, a mask of four.
const LONGEST_HEAD: usize = 14;

/// The longest payload of a control frame (RFC 6455 §5.5).
const LONGEST_CONTROL: u8 = 125;

/// The opcode of a Close frame.
const CLOSE: u8 = 0x8;

/// RFC 6455 §7.4.1: what stands for a Close frame without a code.
const NO_CODE: u16 = 1005;

/// Who writes the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Client,
    Server,
}

/// Bytes that are no frames of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// An opcode that means nothing.
    Opcode,
    /// A client's frame without a mask, or a server's with one.
    Mask,
    /// A control frame that is fragmented or longer than 125 bytes.
    Control,
    /// A length of 2^63 or more.
    Length,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Opcode => "a frame has a reserved opcode",
            Self::Mask => "a frame is masked as only the other side's are",
            Self::Control => "a control frame is fragmented or too long",
            Self::Length => "a frame claims a length that no frame has",
        })
    }
}

/// Follows the frames of one direction.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    writer: Writer,
    place: Place,
    closed: Option<u16>,
}

#[derive(Clone, Debug)]
enum Place {
    /// In a head, of which these bytes have come; none of them: between two frames.
    Head { bytes: [u8; LONGEST_HEAD], have: usize },
    /// In a payload, of which so much is left.
    Payload { left: u64, close: Option<Code> },
}

/// The code of a Close frame, as far as it has come.
#[derive(Clone, Debug)]
struct Code {
    mask: [u8; 4],
    have: usize,
    code: u16,
}

impl Place {
    const BETWEEN: Self = Self::Head { bytes: [0; LONGEST_HEAD], have: 0 };
}

impl Frames {
    pub(super) const fn of(writer: Writer) -> Self {
        Self { writer, place: Place::BETWEEN, closed: None }
    }

    /// Whether everything that was followed is whole frames.
    pub(super) const fn is_between(&self) -> bool {
        matches!(self.place, Place::Head { have: 0, .. })
    }

    /// The code of the first Close frame, once it has gone by.
    pub(super) const fn closed(&self) -> Option<u16> {
        self.closed
    }

    /// Follows `bytes` to the end of the frame that they are in or begin, and no further; how many of them that is.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let ended = match &mut self.place {
                Place::Head { bytes: head, have } => {
                    let Some((&byte, behind)) = rest.split_first() else { break };
                    if let Some(room) = head.get_mut(*have) {
                        *room = byte;
                    }
                    *have += 1;
                    rest = behind;
                    match read_head(self.writer, head, *have)? {
                        Some(payload) => self.place = payload,
                        None => continue,
                    }
                    matches!(self.place, Place::Payload { left: 0, .. })
                }
                Place::Payload { left, close } => {
                    let part = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    let (payload, behind) = rest.split_at(part);
                    if let Some(code) = close {
                        code.take(payload);
                    }
                    *left -= part as u64;
                    rest = behind;
                    *left == 0
                }
            };
            if ended {
                if let Place::Payload { close: Some(code), .. } = &self.place {
                    self.closed.get_or_insert(code.read());
                }
                self.place = Place::BETWEEN;
                break;
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Follows all of `bytes`.
    pub(super) fn follow_all(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            let part = self.follow(bytes)?;
            bytes = bytes.get(part..).unwrap_or_default();
        }
        Ok(())
    }
}

/// What begins behind a head; `None` while there is more of it to come. Every byte is judged as soon as it is there.
fn read_head(writer: Writer, head: &[u8; LONGEST_HEAD], have: usize) -> Result<Option<Place>, Malformed> {
    let [first, second, ..] = *head;
    let opcode = first & 0x0f;
    // RFC 6455 §5.2: 3 to 7 and 11 to 15 are reserved.
    if matches!(opcode, 0x3..=0x7 | 0xb..) {
        return Err(Malformed::Opcode);
    }
    let is_control = opcode & 0x8 != 0;
    // RFC 6455 §5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
    if is_control && first & 0x80 == 0 {
        return Err(Malformed::Control);
    }
    if have < 2 {
        return Ok(None);
    }
    // RFC 6455 §5.1 has every frame of a client masked and none of a server. A frame that the next reader takes for
    // longer or shorter by four bytes would hide another one.
    let is_masked = second & 0x80 != 0;
    if is_masked != (writer == Writer::Client) {
        return Err(Malformed::Mask);
    }
    let short = second & 0x7f;
    if is_control && short > LONGEST_CONTROL {
        return Err(Malformed::Control);
    }
    // A length may be written longer than it needs to be: every reader reads it alike.
    let extended = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if have < 2 + extended {
        return Ok(None);
    }
    let long = head.get(2..2 + extended).unwrap_or_default();
    let left = match extended {
        0 => u64::from(short),
        _ => long.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    // RFC 6455 §5.2: of a length of eight bytes "the most significant bit MUST be 0".
    if left >> 63 != 0 {
        return Err(Malformed::Length);
    }
    let masked = if is_masked { 4 } else { 0 };
    if have < 2 + extended + masked {
        return Ok(None);
    }
    let mask = head.get(2 + extended..2 + extended + masked).and_then(|mask| mask.try_into().ok());
    let code = Code { mask: mask.unwrap_or_default(), have: 0, code: 0 };
    Ok(Some(Place::Payload { left, close: (opcode == CLOSE).then_some(code) }))
}

impl Code {
    fn take(&mut self, payload: &[u8]) {
        for (byte, mask) in payload.iter().zip(self.mask.iter().skip(self.have)).take(2 - self.have.min(2)) {
            self.code = self.code << 8 | u16::from(byte ^ mask);
            self.have += 1;
        }
    }

    const fn read(&self) -> u16 {
        if self.have == 2 { self.code } else { NO_CODE }
    }
}

/// A Close frame. `reason` has at most 123 bytes. A client's is masked (`mask`), a server's is not.
pub(super) fn close(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let payload: Vec<u8> = code.to_be_bytes().into_iter().chain(reason.bytes()).take(125).collect();
    let length = u8::try_from(payload.len()).unwrap_or(LONGEST_CONTROL);
    let mut frame = vec![0x80 | CLOSE];
    match mask {
        None => {
            frame.push(length);
            frame.extend(payload);
        }
        Some(mask) => {
            frame.push(0x80 | length);
            frame.extend(mask);
            frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
    }
    frame
}

#[cfg(test)]
mod tests;
