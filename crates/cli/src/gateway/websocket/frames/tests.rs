use super::*;

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// How a length is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Short,
    Two,
    Eight,
}

fn head(writer: Writer, first: u8, form: Form, length: u64) -> Vec<u8> {
    let masked = if writer == Writer::Client { 0x80 } else { 0 };
    let mut head = vec![first];
    match form {
        Form::Short => head.push(masked | u8::try_from(length).unwrap()),
        Form::Two => {
            head.push(masked | 126);
            head.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        Form::Eight => {
            head.push(masked | 127);
            head.extend(length.to_be_bytes());
        }
    }
    if writer == Writer::Client {
        head.extend(MASK);
    }
    head
}

fn frame(writer: Writer, first: u8, form: Form, length: usize) -> Vec<u8> {
    let mut frame = head(writer, first, form, length as u64);
    frame.extend(std::iter::repeat_n(0xff, length));
    frame
}

/// Lengths at every edge, in every form that can write them, of every opcode there is.
fn samples() -> Vec<(Writer, Vec<u8>)> {
    let mut all = Vec::new();
    for writer in [Writer::Client, Writer::Server] {
        for (form, lengths) in [
            (Form::Short, &[0, 1, 2, 3, 124, 125][..]),
            (Form::Two, &[0, 125, 126, 127, 65_535]),
            (Form::Eight, &[0, 125, 65_535, 65_536, 65_537]),
        ] {
            for length in lengths {
                for first in [0x80, 0x81, 0x82, 0x00, 0x01, 0x02, 0xc1, 0xf2] {
                    all.push((writer, frame(writer, first, form, *length)));
                }
            }
        }
        for length in [0, 1, 2, 125] {
            for first in [0x88, 0x89, 0x8a] {
                all.push((writer, frame(writer, first, Form::Short, length)));
            }
        }
    }
    all
}

#[test]
fn every_frame_ends_where_its_length_says() {
    for (writer, bytes) in samples() {
        let mut frames = Frames::of(writer);
        let mut behind = bytes.clone();
        behind.extend([0x81; 20]);
        assert_eq!(frames.follow(&behind), Ok(bytes.len()), "{:x?}", bytes.get(..14));
        assert!(frames.is_between());
    }
}

#[test]
fn it_makes_no_difference_where_the_bytes_are_split() {
    for (writer, bytes) in samples() {
        for split in (0..bytes.len().min(20)).chain(bytes.len().saturating_sub(3)..bytes.len()) {
            let (first, second) = bytes.split_at(split);
            let mut frames = Frames::of(writer);
            assert_eq!(frames.follow(first), Ok(split));
            assert_eq!(frames.is_between(), split == 0, "{split} of {:x?}", bytes.get(..14));
            assert_eq!(frames.follow(second), Ok(second.len()));
            assert!(frames.is_between());
        }
    }
}

#[test]
fn frames_are_followed_byte_by_byte_and_all_at_once() {
    for writer in [Writer::Client, Writer::Server] {
        let all: Vec<u8> =
            samples().into_iter().filter(|(by, _)| *by == writer).flat_map(|(_, bytes)| bytes).collect();
        let mut once = Frames::of(writer);
        assert_eq!(once.follow_all(&all), Ok(()));
        assert!(once.is_between());
        let mut bytewise = Frames::of(writer);
        for byte in &all {
            assert_eq!(bytewise.follow(&[*byte]), Ok(1));
        }
        assert!(bytewise.is_between());
        assert_eq!(once.closed(), bytewise.closed());
        let mut cut = Frames::of(writer);
        assert_eq!(cut.follow_all(all.split_last().unwrap().1), Ok(()));
        assert!(!cut.is_between());
    }
}

#[test]
fn what_is_no_frame_is_told_at_its_first_wrong_byte() {
    use Writer::{Client, Server};
    for reserved in [0x83, 0x84, 0x85, 0x86, 0x87, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x03, 0x0b] {
        for writer in [Client, Server] {
            assert_eq!(Frames::of(writer).follow(&[reserved]), Err(Malformed::Opcode), "{reserved:x}");
        }
    }
    for fragmented in [0x08, 0x09, 0x0a] {
        assert_eq!(Frames::of(Server).follow(&[fragmented]), Err(Malformed::Control));
    }
    for (writer, bytes, malformed) in [
        (Client, &[0x81, 0x00][..], Malformed::Mask),
        (Client, &[0x88, 0x7d], Malformed::Mask),
        (Server, &[0x81, 0x80], Malformed::Mask),
        (Server, &[0x81, 0xff], Malformed::Mask),
        (Server, &[0x88, 126], Malformed::Control),
        (Server, &[0x89, 127], Malformed::Control),
        (Client, &[0x8a, 0xfe], Malformed::Control),
        (Server, &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], Malformed::Length),
        (Client, &[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Malformed::Length),
    ] {
        assert_eq!(Frames::of(writer).follow(bytes), Err(malformed), "{bytes:x?}");
        let (last, before) = bytes.split_last().unwrap();
        let mut frames = Frames::of(writer);
        assert_eq!(frames.follow(before), Ok(before.len()), "{bytes:x?}");
        assert_eq!(frames.follow(&[*last]), Err(malformed), "{bytes:x?}");
    }
}

#[test]
fn the_longest_length_there_is_is_counted_down_and_not_waited_for_in_memory() {
    let mut frames = Frames::of(Writer::Server);
    let head = head(Writer::Server, 0x82, Form::Eight, u64::MAX >> 1);
    assert_eq!(frames.follow(&head), Ok(head.len()));
    assert_eq!(frames.follow(&[0; 4096]), Ok(4096));
    assert!(!frames.is_between());
}

#[test]
fn the_code_of_the_first_close_frame_is_read() {
    for mask in [None, Some(MASK), Some([0; 4]), Some([0xff; 4])] {
        let writer = if mask.is_some() { Writer::Client } else { Writer::Server };
        for (code, reason) in [(1000, ""), (1008, "the token expired"), (4999, &*"x".repeat(123))] {
            let bytes = close(code, reason, mask);
            for split in 0..bytes.len() {
                let (first, second) = bytes.split_at(split);
                let mut frames = Frames::of(writer);
                frames.follow_all(first).unwrap();
                assert_eq!(frames.closed(), None);
                frames.follow_all(second).unwrap();
                assert_eq!(frames.closed(), Some(code), "{split}");
                frames.follow_all(&close(1011, "later", mask)).unwrap();
                assert_eq!(frames.closed(), Some(code), "the first counts");
            }
        }
    }
    for length in [0, 1] {
        let mut frames = Frames::of(Writer::Server);
        frames.follow_all(&frame(Writer::Server, 0x88, Form::Short, length)).unwrap();
        assert_eq!(frames.closed(), Some(1005));
    }
    let mut frames = Frames::of(Writer::Server);
    frames.follow_all(&frame(Writer::Server, 0x82, Form::Short, 100)).unwrap();
    assert_eq!(frames.closed(), None);
}

#[test]
fn a_close_frame_is_written_as_the_standard_shows() {
    assert_eq!(close(1008, "no", None), [0x88, 4, 0x03, 0xf0, b'n', b'o']);
    let masked = close(1008, "no", Some(MASK));
    assert_eq!(masked, [0x88, 0x84, 0x12, 0x34, 0x56, 0x78, 0x11, 0xc4, b'n' ^ 0x56, b'o' ^ 0x78]);
    assert_eq!(close(1008, &"x".repeat(500), None).len(), 127);
}
