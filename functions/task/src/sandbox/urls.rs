//! The host functions of a script for URLs.

use rquickjs::{Array, Ctx, Error, Function, Object, Result, String as JsString};
use url::{Position, Url, quirks};

use super::bytes::cstring;

/// What stands for a part that a URL does not have.
const OMITTED: u32 = u32::MAX;

/// Adds the functions to those that the host passes to the prelude.
pub(super) fn install<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("urlParse", Function::new(ctx.clone(), parse)?)?;
    host.set("urlUpdate", Function::new(ctx.clone(), update)?)?;
    let to_ascii = |domain: JsString<'js>| Ok::<_, Error>(quirks::domain_to_ascii(&cstring(domain)?));
    host.set("domainToAscii", Function::new(ctx.clone(), to_ascii)?)?;
    let to_unicode = |domain: JsString<'js>| Ok::<_, Error>(quirks::domain_to_unicode(&cstring(domain)?));
    host.set("domainToUnicode", Function::new(ctx.clone(), to_unicode)?)
}

#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn parse<'js>(ctx: Ctx<'js>, input: JsString<'js>, base: Option<JsString<'js>>) -> Result<Option<Array<'js>>> {
    let base = base.map(|base| Ok::<_, Error>(Url::parse(&cstring(base)?))).transpose()?;
    let input = cstring(input)?;
    let parsed = match base {
        None => Url::parse(&input),
        Some(base) => base.and_then(|base| base.join(&input)),
    };
    parsed.ok().map(|url| parts(&ctx, &url)).transpose()
}

/// The actions are numbered as in the sources of Node.js.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn update<'js>(ctx: Ctx<'js>, href: JsString<'js>, action: u8, value: JsString<'js>) -> Result<Option<Array<'js>>> {
    let value = cstring(value)?;
    let Ok(mut url) = Url::parse(&cstring(href)?) else {
        return Ok(None);
    };
    let updated = match action {
        0 => quirks::set_protocol(&mut url, &value),
        1 => quirks::set_host(&mut url, &value),
        2 => quirks::set_hostname(&mut url, &value),
        3 => quirks::set_port(&mut url, &value),
        4 => quirks::set_username(&mut url, &value),
        5 => quirks::set_password(&mut url, &value),
        6 => {
            quirks::set_pathname(&mut url, &value);
            Ok(())
        }
        7 => {
            quirks::set_search(&mut url, &value);
            Ok(())
        }
        8 => {
            quirks::set_hash(&mut url, &value);
            Ok(())
        }
        _ => quirks::set_href(&mut url, &value).map_err(|_| ()),
    };
    updated.ok().map(|()| parts(&ctx, &url)).transpose()
}

/// The serialised URL, then the indices of its parts, its port and the kind of its scheme, as Node.js wants them.
fn parts<'js>(ctx: &Ctx<'js>, url: &Url) -> Result<Array<'js>> {
    let at = |position: Position| u32::try_from(url[..position].len()).unwrap_or(OMITTED);
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let host = at(Position::BeforeHost);
    let username_end = if has_credentials { at(Position::AfterUsername) } else { host };
    let kind = match url.scheme() {
        "http" => 0,
        "https" => 2,
        "ws" => 3,
        "ftp" => 4,
        "wss" => 5,
        "file" => 6,
        _ => 1,
    };
    let numbers = [
        at(Position::AfterScheme) + 1,
        username_end,
        if has_credentials { host - 1 } else { host },
        at(Position::AfterHost),
        url.port().map_or(OMITTED, u32::from),
        at(Position::BeforePath),
        url.query().map_or(OMITTED, |_| at(Position::BeforeQuery) - 1),
        url.fragment().map_or(OMITTED, |_| at(Position::BeforeFragment) - 1),
        kind,
    ];
    let parts = Array::new(ctx.clone())?;
    parts.set(0, url.as_str())?;
    for (index, number) in numbers.into_iter().enumerate() {
        parts.set(index + 1, number)?;
    }
    Ok(parts)
}
