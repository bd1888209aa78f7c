//! The host functions of a script for URLs.

use rquickjs::{Array, Ctx, Error, Function, Object, Result, String as JsString};
use url::{Url, quirks};

use super::bytes::cstring;

/// Adds the functions to those that the host passes to the prelude.
pub(super) fn install<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("urlUpdate", Function::new(ctx.clone(), update)?)?;
    let to_ascii = |domain: JsString<'js>| Ok::<_, Error>(quirks::domain_to_ascii(&cstring(domain)?));
    host.set("domainToAscii", Function::new(ctx.clone(), to_ascii)?)?;
    let to_unicode = |domain: JsString<'js>| Ok::<_, Error>(quirks::domain_to_unicode(&cstring(domain)?));
    host.set("domainToUnicode", Function::new(ctx.clone(), to_unicode)?)
}

/// Adds the function that reads a URL.
pub(super) fn install_parser<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("urlParse", Function::new(ctx.clone(), parse)?)
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

/// Sets one of the attributes of a URL.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
fn update<'js>(
    ctx: Ctx<'js>,
    href: JsString<'js>,
    attribute: String,
    value: JsString<'js>,
) -> Result<Option<Array<'js>>> {
    let value = cstring(value)?;
    let Ok(mut url) = Url::parse(&cstring(href)?) else {
        return Ok(None);
    };
    let updated = match attribute.as_str() {
        "protocol" => quirks::set_protocol(&mut url, &value),
        "host" => quirks::set_host(&mut url, &value),
        "hostname" => quirks::set_hostname(&mut url, &value),
        "port" => quirks::set_port(&mut url, &value),
        "username" => quirks::set_username(&mut url, &value),
        "password" => quirks::set_password(&mut url, &value),
        "pathname" => {
            quirks::set_pathname(&mut url, &value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, &value);
            Ok(())
        }
        "hash" => {
            quirks::set_hash(&mut url, &value);
            Ok(())
        }
        _ => quirks::set_href(&mut url, &value).map_err(|_| ()),
    };
    updated.ok().map(|()| parts(&ctx, &url)).transpose()
}

/// The serialised URL and its attributes, in the order in which scripts see them.
fn parts<'js>(ctx: &Ctx<'js>, url: &Url) -> Result<Array<'js>> {
    let parts = [
        quirks::href(url),
        &quirks::origin(url),
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
    ];
    let array = Array::new(ctx.clone())?;
    for (index, part) in parts.into_iter().enumerate() {
        array.set(index, part)?;
    }
    Ok(array)
}
