use super::*;
use proptest::prelude::*;

fn cut(stream: &[u8], step: usize) -> Vec<Piece> {
    let mut events = Events::new(1024);
    let mut out = Vec::new();
    for chunk in stream.chunks(step.max(1)) {
        events.push(Bytes::copy_from_slice(chunk));
        while let Some(piece) = events.next_piece().unwrap() {
            out.push(piece);
        }
    }
    out
}

fn data(pieces: &[Piece]) -> Vec<String> {
    let events = pieces.iter().filter_map(|piece| match piece {
        Piece::Event(event) => event.data().map(Cow::into_owned),
        Piece::Other(_) => None,
    });
    events.collect()
}

fn joined(pieces: Vec<Piece>) -> Vec<u8> {
    let bytes = pieces.into_iter().flat_map(|piece| match piece {
        Piece::Event(event) => event.into_bytes(),
        Piece::Other(bytes) => bytes,
    });
    bytes.collect()
}

#[test]
fn w07_events_are_read_whatever_their_line_ends_and_wherever_they_are_cut() {
    for (name, stream, expected) in [
        ("plain", &b"data: a\n\ndata: b\n\n"[..], vec!["a", "b"]),
        ("returns", b"data: a\r\rdata: b\r\r", vec!["a", "b"]),
        ("pairs", b"data: a\r\n\r\ndata: b\r\n\r\n", vec!["a", "b"]),
        ("no space", b"data:a\n\n", vec!["a"]),
        ("several lines", b"event: message\nid: 1\ndata: a\ndata: b\nretry: 5\n\n", vec!["a\nb"]),
        ("comments", b": hello\n\n:\ndata: a\n: in between\n\n", vec!["a"]),
        ("mark", b"\xef\xbb\xbfdata: a\n\n", vec!["a"]),
        ("empty", b"id: 1\ndata:\n\n", vec![""]),
        ("name alone", b"data\n\n", vec![""]),
        ("not ended", b"data: a\n\ndata: b\n", vec!["a"]),
    ] {
        for step in 1..=stream.len() {
            let pieces = cut(stream, step);
            assert_eq!(data(&pieces), expected, "{name} by {step}");
            let whole = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
            assert!(whole.starts_with(&joined(pieces)), "{name} by {step}");
        }
    }
}

#[test]
fn w07_what_readers_read_differently_is_told() {
    for (name, stream, has_one) in [
        ("text", "data: \u{fffd}\u{feff}\n\n".as_bytes(), true),
        ("a mark where the stream begins", b"\xef\xbb\xbfdata: a\n\n", true),
        ("a mark before a later line", b"data: a\n\xef\xbb\xbfdata: b\n\n", false),
        ("two marks", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", false),
        ("no text", b"data: \xff\n\n", false),
        ("no text in an id", b"id: \xff\ndata: a\n\n", false),
        ("no text in a comment", b"data: a\n: \xff\n\n", false),
    ] {
        let pieces = cut(stream, stream.len());
        let found = pieces.iter().find_map(|piece| match piece {
            Piece::Event(event) => Some(event.has_one_reading()),
            Piece::Other(_) => None,
        });
        assert_eq!(found, Some(has_one), "{name}");
    }
}

#[test]
fn w07_an_event_and_a_comment_are_there_with_their_last_byte() {
    for (name, stream) in [
        ("event", &b"data: a\n\n"[..]),
        ("returns", b"data: a\r\r"),
        ("comment", b": still here\n"),
        ("id alone", b"id: 7\n\n"),
    ] {
        assert_eq!(joined(cut(stream, stream.len())), stream, "{name}");
    }
}

#[test]
fn w07_what_is_not_changed_keeps_its_bytes() {
    let stream = b"event:message\r\nretry: 10\nid: 9\n: hm\ndata: {\ndata:  }\nx: y\n\n";
    let Some(Piece::Event(event)) = cut(stream, stream.len()).pop() else { panic!("an event") };
    assert_eq!(event.id(), Some("9"));
    assert_eq!(
        event.with(Some("sealed"), None),
        &b"event:message\r\nretry: 10\nid: sealed\n: hm\ndata: {\ndata:  }\nx: y\n\n"[..]
    );
    assert_eq!(
        event.with(None, Some("{}")),
        &b"event:message\r\nretry: 10\nid: 9\n: hm\ndata: {}\nx: y\n\n"[..]
    );
    assert_eq!(event.with(None, None), &stream[..]);
}

#[test]
fn w07_data_of_several_lines_stays_data() {
    let made = Event::message("a\nid: forged\r\rb");
    let pieces = cut(&made, made.len());
    assert_eq!(data(&pieces), ["a\nid: forged\n\nb"]);
}

#[test]
fn w20_an_event_has_a_size() {
    let mut events = Events::new(16);
    events.push(Bytes::from_static(b"data: 0123456789abcdef"));
    assert_eq!(events.next_piece(), Err(EventTooLarge));
    let mut events = Events::new(16);
    for _ in 0..4 {
        events.push(Bytes::from_static(b"data: 1\n"));
    }
    assert_eq!(events.next_piece(), Err(EventTooLarge));
}

proptest! {
    #[test]
    fn w07_any_bytes_pass_as_they_are(stream in proptest::collection::vec(prop_oneof![
        Just(b'\n'), Just(b'\r'), Just(b':'), Just(b'd'), Just(b' '), any::<u8>()], 0..200), step in 1usize..20) {
        let pieces = cut(&stream, step);
        for piece in &pieces {
            if let Piece::Event(event) = piece {
                prop_assert_eq!(event.with(None, None), event.clone().into_bytes());
            }
        }
        let whole = cut(&stream, stream.len());
        prop_assert_eq!(data(&pieces), data(&whole));
        prop_assert!(stream.starts_with(&joined(pieces)));
    }
}
