//! Arguments as values of Cedar, by one fixed conversion: whatever JSON comes either has exactly one value or is
//! refused, and what is refused denies.
//!
//! | JSON | Cedar |
//! | --- | --- |
//! | `null` | absent, in objects and in arrays |
//! | true, false | Bool |
//! | a whole number of 64 bits with sign | Long |
//! | any other whole number | refused |
//! | a number with a fraction or an exponent | decimal, if at most four decimals say it exactly; else refused |
//! | a string | String |
//! | an array | Set |
//! | an object | Record |

use cedar_policy::RestrictedExpression;
use serde_json::{Map, Number, Value};

/// Deepest nesting of arguments; the object of all arguments is the first level.
const DEPTH: usize = 16;
/// Most values in the arguments of one call, nested ones included.
const VALUES: usize = 10_000;
/// Most bytes of strings and names in the arguments of one call.
const TEXT: usize = 1024 * 1024;
/// Up to here, in ten-thousandths, every number of four decimals is a float of its own and is found again from it: 2^50.
const EXACT: f64 = 1_125_899_906_842_624.0;

/// Why arguments are no values of Cedar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unrepresentable {
    #[error("nested too deeply")]
    Depth,
    #[error("too many values")]
    Values,
    #[error("too long")]
    Text,
    #[error("a whole number beyond 64 bits")]
    Integer,
    #[error("a number that four decimals cannot say exactly")]
    Fraction,
}

/// What may still be converted.
struct Room {
    values: usize,
    text: usize,
}

/// The arguments of one call as a record.
pub(super) fn arguments(given: Option<&Map<String, Value>>) -> Result<RestrictedExpression, Unrepresentable> {
    let mut room = Room { values: VALUES, text: TEXT };
    match given {
        Some(members) => room.record(members, DEPTH),
        None => room.record(&Map::new(), DEPTH),
    }
}

impl Room {
    fn record(
        &mut self,
        members: &Map<String, Value>,
        depth: usize,
    ) -> Result<RestrictedExpression, Unrepresentable> {
        let depth = depth.checked_sub(1).ok_or(Unrepresentable::Depth)?;
        let mut fields = Vec::with_capacity(members.len());
        for (name, value) in members {
            self.take_text(name)?;
            if let Some(value) = self.value(value, depth)? {
                fields.push((name.clone(), value));
            }
        }
        // Names of one JSON object differ, so that this cannot fail.
        RestrictedExpression::new_record(fields).map_err(|_| Unrepresentable::Values)
    }

    fn value(
        &mut self,
        value: &Value,
        depth: usize,
    ) -> Result<Option<RestrictedExpression>, Unrepresentable> {
        self.values = self.values.checked_sub(1).ok_or(Unrepresentable::Values)?;
        Ok(Some(match value {
            Value::Null => return Ok(None),
            Value::Bool(yes) => RestrictedExpression::new_bool(*yes),
            Value::Number(number) => number_of(number)?,
            Value::String(text) => {
                self.take_text(text)?;
                RestrictedExpression::new_string(text.clone())
            }
            Value::Array(items) => {
                let depth = depth.checked_sub(1).ok_or(Unrepresentable::Depth)?;
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.extend(self.value(item, depth)?);
                }
                RestrictedExpression::new_set(values)
            }
            Value::Object(members) => self.record(members, depth)?,
        }))
    }

    fn take_text(&mut self, text: &str) -> Result<(), Unrepresentable> {
        self.text = self.text.checked_sub(text.len()).ok_or(Unrepresentable::Text)?;
        Ok(())
    }
}

fn number_of(number: &Number) -> Result<RestrictedExpression, Unrepresentable> {
    if let Some(whole) = number.as_i64() {
        return Ok(RestrictedExpression::new_long(whole));
    }
    if number.is_u64() {
        return Err(Unrepresentable::Integer);
    }
    let decimal = number.as_f64().and_then(decimal).ok_or(Unrepresentable::Fraction)?;
    Ok(RestrictedExpression::new_decimal(decimal))
}

/// The one number of at most four decimals that reads as this float.
fn decimal(float: f64) -> Option<String> {
    let scaled = (float * 10_000.0).round();
    if scaled.is_nan() || scaled.abs() >= EXACT || scaled / 10_000.0 != float {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^50")]
    let scaled = scaled as i64;
    let sign = if scaled < 0 { "-" } else { "" };
    let scaled = scaled.unsigned_abs();
    Some(format!("{sign}{}.{:04}", scaled / 10_000, scaled % 10_000))
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
