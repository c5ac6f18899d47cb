//! Bytes as a line of text: `\n`, `\r`, `\t`, `\\` and `\xHH` stand for what they name elsewhere.

use std::fmt::Write as _;

/// The bytes a line stands for. An escape that is none stands for itself.
pub(crate) fn read(line: &str) -> Vec<u8> {
    let bytes = line.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (plain, width) = match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'n')) => (b'\n', 2),
            (b'\\', Some(b'r')) => (b'\r', 2),
            (b'\\', Some(b't')) => (b'\t', 2),
            (b'\\', Some(b'\\')) => (b'\\', 2),
            (b'\\', Some(b'x')) => match hex(bytes.get(at + 2..at + 4)) {
                Some(value) => (value, 4),
                None => (byte, 1),
            },
            _ => (byte, 1),
        };
        out.push(plain);
        at += width;
    }
    out
}

fn hex(digits: Option<&[u8]>) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits?).ok()?, 16).ok()
}

/// The line that stands for these bytes, fit to stand between single quotes of a shell.
pub(crate) fn write(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, &byte| {
        let _ = match byte {
            b'\n' => out.write_str("\\n"),
            b'\\' => out.write_str("\\\\"),
            0x20..0x7f if byte != b'\'' => out.write_char(char::from(byte)),
            _ => write!(out, "\\x{byte:02x}"),
        };
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(read(&write(&all)), all);
        assert_eq!(read(r"a\q\x4\x41\"), br"a\q\x4A\");
    }
}
