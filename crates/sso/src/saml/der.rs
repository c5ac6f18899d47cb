//! As much of DER (X.690) as leads from a certificate to its key. Lengths are minimal and definite, or it is refused.

use portcullis_wire::time::UnixTime;

use super::moment;

/// The tag of a sequence.
pub(crate) const SEQUENCE: u8 = 0x30;
/// The tag of an integer.
pub(crate) const INTEGER: u8 = 0x02;
/// The tag of a bit string.
pub(crate) const BIT_STRING: u8 = 0x03;
/// The tag of an object identifier.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// The tag of a certificate's version.
pub(crate) const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// What is still to be read.
pub(crate) struct Der<'a> {
    rest: &'a [u8],
}

impl<'a> Der<'a> {
    /// Reads `bytes`.
    pub(crate) const fn whole(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    pub(crate) const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// The content of the next element, which must bear `tag`.
    pub(crate) fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (header, content) = self.measure(tag)?;
        let content = self.rest.get(header..header + content)?;
        self.rest = self.rest.get(header + content.len()..)?;
        Some(content)
    }

    /// The next element with its header.
    pub(crate) fn whole_element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (header, content) = self.measure(tag)?;
        let (element, rest) = self.rest.split_at_checked(header + content)?;
        self.rest = rest;
        Some(element)
    }

    /// A reader of the content of the next element.
    pub(crate) fn within(&mut self, tag: u8) -> Option<Self> {
        self.element(tag).map(Self::whole)
    }

    /// Passes over the next element if it bears `tag`.
    pub(crate) fn optional(&mut self, tag: u8) {
        if self.rest.first() == Some(&tag) {
            self.element(tag);
        }
    }

    /// A moment of a certificate (RFC 5280 §4.1.2.5): to the second, in UTC.
    pub(crate) fn moment(&mut self) -> Option<UnixTime> {
        let (digits, short) = match self.rest.first()? {
            &UTC_TIME => (self.element(UTC_TIME)?, true),
            _ => (self.element(GENERALIZED_TIME)?, false),
        };
        let text = std::str::from_utf8(digits).ok()?;
        let text = if short {
            let century = if text.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" };
            format!("{century}{text}")
        } else {
            text.to_owned()
        };
        let part = |range| text.get(range);
        let spelled = format!(
            "{}-{}-{}T{}:{}:{}{}",
            part(0..4)?,
            part(4..6)?,
            part(6..8)?,
            part(8..10)?,
            part(10..12)?,
            part(12..14)?,
            text.get(14..)?
        );
        moment::read(&spelled)
    }

    /// The lengths of the next element's header and content.
    fn measure(&self, tag: u8) -> Option<(usize, usize)> {
        let [found, length, more @ ..] = self.rest else { return None };
        if *found != tag {
            return None;
        }
        let count = usize::from(*length);
        if count < 0x80 {
            return Some((2, count));
        }
        let count = count - 0x80;
        if !(1..=3).contains(&count) {
            return None;
        }
        let digits = more.get(..count)?;
        let length = digits.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let is_minimal = length >= 0x80 && digits.first() != Some(&0);
        is_minimal.then_some((2 + count, length))
    }
}
