//! The badge of a task.

/// The width of a character of the badge's font.
const CHARACTER_WIDTH: usize = 7;
const MARGIN: usize = 10;
/// The longest id that a badge shows whole.
const ID_LIMIT_CHARACTERS: usize = 40;

/// Draws whether a task runs.
pub(crate) fn svg(id: &str, is_running: bool) -> String {
    let (state, colour) = if is_running { ("running", "#2a7d2e") } else { ("stopped", "#8a8a8a") };
    let mut label: String = id.chars().take(ID_LIMIT_CHARACTERS).collect();
    if label.chars().count() < id.chars().count() {
        label.push('…');
    }
    let width = |text: &str| text.chars().count() * CHARACTER_WIDTH + 2 * MARGIN;
    let (left, right) = (width(&label), width(state));
    let (total, label) = (left + right, escaped(&label));
    let (label_at, state_at) = (left / 2, left + right / 2);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total}\" height=\"20\" role=\"img\" \
         aria-label=\"{label}: {state}\"><title>{label}: {state}</title>\
         <rect width=\"{left}\" height=\"20\" fill=\"#444\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/>\
         <g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,sans-serif\" font-size=\"11\">\
         <text x=\"{label_at}\" y=\"14\">{label}</text><text x=\"{state_at}\" y=\"14\">{state}</text></g></svg>"
    )
}

/// Writes a text so that it is nothing but text in XML, whose characters are fewer than Unicode's.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char if char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_nothing_but_text() {
        let drawn = svg("</text><script>alert(1)</script>&\"'\u{1}", true);
        assert!(!drawn.contains("<script") && !drawn.contains('\u{1}'), "{drawn}");
        assert!(drawn.contains("&lt;script&gt;") && drawn.contains(">running<"), "{drawn}");
        assert!(svg("a", false).contains("aria-label=\"a: stopped\""));
        assert!(svg(&"é".repeat(256), true).contains(&format!("{}…", "é".repeat(ID_LIMIT_CHARACTERS))));
    }
}
