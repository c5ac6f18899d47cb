//! As much HTML as our own pages need to be answered: forms, their fields, their buttons.

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its type: `hidden`, `text`, `password`, `checkbox` or `radio`.
    pub kind: String,
    /// Whether a box or a choice is ticked.
    pub ticked: bool,
}

/// A form.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// Its fields, in order.
    pub fields: Vec<Field>,
    /// Its buttons: name and value.
    pub buttons: Vec<(String, String)>,
}

impl Form {
    /// Every form of a page.
    pub fn all(html: &str) -> Vec<Self> {
        html.split("<form ")
            .skip(1)
            .map(|rest| Self::read(rest.split("</form>").next().unwrap_or(rest)))
            .collect()
    }

    fn read(text: &str) -> Self {
        let head = text.split('>').next().unwrap_or_default();
        let fields = text.split("<input ").skip(1).filter_map(|rest| {
            let tag = rest.split('>').next().unwrap_or_default();
            Some(Field {
                name: attribute(tag, "name")?,
                value: attribute(tag, "value").unwrap_or_default(),
                kind: attribute(tag, "type").unwrap_or_else(|| "text".to_owned()),
                ticked: tag.split_whitespace().any(|word| word == "checked"),
            })
        });
        let buttons = text.split("<button ").skip(1).filter_map(|rest| {
            let tag = rest.split('>').next().unwrap_or_default();
            Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
        });
        Self {
            action: attribute(head, "action").unwrap_or_default(),
            fields: fields.collect(),
            buttons: buttons.collect(),
        }
    }

    /// The value of a field.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value.as_str())
    }

    /// Fills in a field; one that is not there is added, as a script would.
    #[must_use]
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        match self.fields.iter_mut().find(|field| field.name == name && !is_choice(&field.kind)) {
            Some(field) => value.clone_into(&mut field.value),
            None => self.fields.push(Field {
                name: name.to_owned(),
                value: value.to_owned(),
                kind: "hidden".to_owned(),
                ticked: false,
            }),
        }
        self
    }

    /// Ticks a box, or takes the tick away. A choice among several loses the others.
    #[must_use]
    pub fn tick(mut self, name: &str, value: &str, ticked: bool) -> Self {
        for field in self.fields.iter_mut().filter(|field| field.name == name) {
            if field.value == value {
                field.ticked = ticked;
            } else if field.kind == "radio" && ticked {
                field.ticked = false;
            }
        }
        self
    }

    /// Ticks every box of a name.
    #[must_use]
    pub fn tick_all(mut self, name: &str) -> Self {
        self.fields.iter_mut().filter(|field| field.name == name).for_each(|field| field.ticked = true);
        self
    }

    /// What a browser sends when the button of this value is pressed.
    pub fn pairs(&self, button: Option<&str>) -> Vec<(String, String)> {
        let sent = self.fields.iter().filter(|field| field.ticked || !is_choice(&field.kind));
        let mut pairs: Vec<_> = sent.map(|field| (field.name.clone(), field.value.clone())).collect();
        if let Some(value) = button {
            let pressed = self.buttons.iter().find(|(_, known)| known == value);
            pairs.push(pressed.unwrap_or_else(|| panic!("no button {value}: {:?}", self.buttons)).clone());
        }
        pairs
    }
}

fn is_choice(kind: &str) -> bool {
    matches!(kind, "checkbox" | "radio")
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start =
        tag.split(&format!(" {name}=\"")).nth(1).or_else(|| tag.strip_prefix(&format!("{name}=\"")))?;
    Some(unescape(start.split('"').next()?))
}

fn unescape(text: &str) -> String {
    [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    .replace("&#38;", "&")
    .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_sends_what_a_browser_would() {
        let html = r#"<form class="a" method="post" action="/x"><input type="hidden" name="t" value="a&#38;b">
            <input type="checkbox" name="s" value="1" checked> <input type="checkbox" name="s" value="2">
            <input type="radio" name="r" value="" checked><input type="radio" name="r" value="z">
            <input class="i" name="name" value=""><button class="b" name="answer" value="yes">Y</button></form>"#;
        let form = Form::all(html).remove(0);
        assert_eq!(form.action, "/x");
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let given = form.fill("name", "n").tick("r", "z", true).pairs(Some("yes"));
        let expected =
            vec![pair("t", "a&b"), pair("s", "1"), pair("r", "z"), pair("name", "n"), pair("answer", "yes")];
        assert_eq!(given, expected);
    }
}
