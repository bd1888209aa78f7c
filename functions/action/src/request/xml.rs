//! Values as XML: the members of an object are elements, `@name` is an attribute and `#text` the text among them.
//!
//! Every text is escaped, so that no value can close its element or begin another.

use serde_json::{Map, Value};

use super::body::Unwritable;
use super::plain;
use crate::app::Field;

const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";

/// Writes a SOAP message; what is not an envelope yet is the content of the body of one.
///
/// Elements come in the order in which they are declared, those that are not in that of their names.
pub(super) fn soap(fields: &Map<String, Value>, declared: &[Field], is_soap_12: bool) -> Result<String, Unwritable> {
    let mut xml = Xml { text: "<?xml version=\"1.0\"?>".to_owned(), path: Vec::new() };
    let is_envelope = |name: &str| name == "Envelope" || name.ends_with(":Envelope");
    match fields.keys().next() {
        Some(root) if fields.len() == 1 && is_envelope(root) => xml.members(fields, declared)?,
        _ => {
            let namespace = if is_soap_12 { SOAP_12 } else { SOAP_11 };
            xml.text.push_str(&format!("<soap:Envelope xmlns:soap=\"{namespace}\"><soap:Body>"));
            xml.members(fields, declared)?;
            xml.text.push_str("</soap:Body></soap:Envelope>");
        }
    }
    Ok(xml.text)
}

struct Xml {
    text: String,
    /// Where in the body the writer is.
    path: Vec<String>,
}

impl Xml {
    /// Writes the members that are elements or text.
    fn members(&mut self, members: &Map<String, Value>, declared: &[Field]) -> Result<(), Unwritable> {
        let is_declared = |name: &str| declared.iter().any(|field| field.key == name);
        let first = declared.iter().filter_map(|field| members.get_key_value(&field.key));
        let rest = members.iter().filter(|(name, _)| !is_declared(name));
        for (name, value) in first.chain(rest).filter(|(name, _)| !name.starts_with('@')) {
            let declared = declared.iter().find(|field| field.key == *name).map_or(&[][..], |field| &field.fields);
            self.path.push(name.clone());
            match name.as_str() {
                "#text" => self.plain(value)?,
                name => self.element(name, value, declared)?,
            }
            self.path.pop();
        }
        Ok(())
    }

    /// Writes an element, or one for each item of an array.
    fn element(&mut self, name: &str, value: &Value, declared: &[Field]) -> Result<(), Unwritable> {
        self.check_name(name)?;
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.element(name, item, declared)),
            Value::Object(members) => {
                self.text.push_str(&format!("<{name}"));
                for (attribute, value) in members.iter().filter(|(member, _)| member.starts_with('@')) {
                    self.path.push(attribute.clone());
                    self.attribute(&attribute[1..], value)?;
                    self.path.pop();
                }
                self.text.push('>');
                self.members(members, declared)?;
                self.text.push_str(&format!("</{name}>"));
                Ok(())
            }
            value => {
                self.text.push_str(&format!("<{name}>"));
                self.plain(value)?;
                self.text.push_str(&format!("</{name}>"));
                Ok(())
            }
        }
    }

    fn attribute(&mut self, name: &str, value: &Value) -> Result<(), Unwritable> {
        if value.is_null() {
            return Ok(());
        }
        self.check_name(name)?;
        self.text.push_str(&format!(" {name}=\""));
        self.plain(value)?;
        self.text.push('"');
        Ok(())
    }

    fn plain(&mut self, value: &Value) -> Result<(), Unwritable> {
        if value.is_null() {
            return Ok(());
        }
        let text = plain(value).ok_or_else(|| self.broken("must be a string, a number or a boolean"))?;
        for character in text.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                // As they are, they would be read as a line feed or, in an attribute, as a space.
                '\r' | '\n' | '\t' => self.text.push_str(&format!("&#{};", u32::from(character))),
                other if is_forbidden(other) => {
                    return Err(self.broken("has a control character, which XML cannot have"));
                }
                other => self.text.push(other),
            }
        }
        Ok(())
    }

    fn check_name(&self, name: &str) -> Result<(), Unwritable> {
        let is_part = |character: char| character == '_' || character == ':' || character.is_alphabetic();
        let is_rest = |character: char| is_part(character) || character.is_numeric() || "-.".contains(character);
        match name.starts_with(is_part) && name.chars().all(is_rest) && !name.ends_with(':') {
            true => Ok(()),
            false => Err(self.broken("is not the name of an element or attribute")),
        }
    }

    fn broken(&self, rule: &str) -> Unwritable {
        Unwritable { path: self.path.clone(), rule: rule.to_owned() }
    }
}

/// Tells whether XML 1.0 has no way to write a character.
fn is_forbidden(character: char) -> bool {
    matches!(character, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}
