//! The modules that a script can import or require: some of Node's, and nothing from a disk.

use std::borrow::Cow;
use std::sync::OnceLock;

use rquickjs::loader::bundle::Bundle;
use rquickjs::loader::{Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Context, Ctx, Error, Exception, Module, Object, Result, Runtime, Value, WriteOptions};

/// How the names of the modules begin that scripts cannot import.
pub(super) const OWN: &str = "hookyard:";
/// The modules that capture the intrinsics and name them, and the kinds in which they have them.
const INTRINSICS: &str = "hookyard:intrinsics";
const INTRINSIC_NAMES: &str = "hookyard:intrinsic_names";
const KINDS: [&str; 2] = ["values", "methods"];
/// How much of a name is quoted, so that a message stays readable.
const QUOTE_LIMIT_CHARACTERS: usize = 200;

/// The modules that scripts can import.
static PUBLIC: [Source; 21] = [
    Source::new("assert", include_str!("module/assert.js")),
    Source::new("assert/strict", include_str!("module/assert_strict.js")),
    Source::new("axios", include_str!("module/axios.js")),
    Source::new("buffer", include_str!("module/buffer.js")),
    Source::new("crypto", include_str!("module/crypto.js")),
    Source::new("events", include_str!("module/events.js")),
    Source::new("hookyard", include_str!("module/hookyard.js")),
    Source::new("http", include_str!("module/http.js")),
    Source::new("https", include_str!("module/https.js")),
    Source::new("path", include_str!("module/path.js")),
    Source::new("path/posix", include_str!("module/path_posix.js")),
    Source::new("path/win32", include_str!("module/path_win32.js")),
    Source::new("process", include_str!("module/process.js")),
    Source::new("querystring", include_str!("module/querystring.js")),
    Source::new("string_decoder", include_str!("module/string_decoder.js")),
    Source::new("timers", include_str!("module/timers.js")),
    Source::new("timers/promises", include_str!("module/timers_promises.js")),
    Source::new("url", include_str!("module/url.js")),
    Source::new("util", include_str!("module/util.js")),
    Source::new("util/types", include_str!("module/util_types.js")),
    Source::new("zlib", include_str!("module/zlib.js")),
];

/// Our own modules behind them and behind the globals.
static REALM: [Source; 94] = [
    Source::new("hookyard:abort_controller", include_str!("realm/abort_controller.js")),
    Source::new("hookyard:assert", include_str!("realm/assert.js")),
    Source::new("hookyard:assertion_error", include_str!("realm/assertion_error.js")),
    Source::new("hookyard:axios", include_str!("realm/axios.js")),
    Source::new("hookyard:axios_config", include_str!("realm/axios_config.js")),
    Source::new("hookyard:axios_error", include_str!("realm/axios_error.js")),
    Source::new("hookyard:axios_form", include_str!("realm/axios_form.js")),
    Source::new("hookyard:axios_headers", include_str!("realm/axios_headers.js")),
    Source::new("hookyard:axios_send", include_str!("realm/axios_send.js")),
    Source::new("hookyard:blob", include_str!("realm/blob.js")),
    Source::new("hookyard:body", include_str!("realm/body.js")),
    Source::new("hookyard:body_kinds", include_str!("realm/body_kinds.js")),
    Source::new("hookyard:body_reads", include_str!("realm/body_reads.js")),
    Source::new("hookyard:buffer", include_str!("realm/buffer.js")),
    Source::new("hookyard:bytes", include_str!("realm/bytes.js")),
    Source::new("hookyard:calls", include_str!("realm/calls.js")),
    Source::new("hookyard:client_request", include_str!("realm/client_request.js")),
    Source::new("hookyard:clock", include_str!("realm/clock.js")),
    Source::new("hookyard:commonjs", include_str!("realm/commonjs.js")),
    Source::new("hookyard:comparisons", include_str!("realm/comparisons.js")),
    Source::new("hookyard:console", include_str!("realm/console.js")),
    Source::new("hookyard:constants", include_str!("realm/constants.js")),
    Source::new("hookyard:crypto", include_str!("realm/crypto.js")),
    Source::new("hookyard:crypto_cipher", include_str!("realm/crypto_cipher.js")),
    Source::new("hookyard:crypto_derive", include_str!("realm/crypto_derive.js")),
    Source::new("hookyard:crypto_hash", include_str!("realm/crypto_hash.js")),
    Source::new("hookyard:crypto_input", include_str!("realm/crypto_input.js")),
    Source::new("hookyard:crypto_keys", include_str!("realm/crypto_keys.js")),
    Source::new("hookyard:crypto_random", include_str!("realm/crypto_random.js")),
    Source::new("hookyard:crypto_sign", include_str!("realm/crypto_sign.js")),
    Source::new("hookyard:dom_exception", include_str!("realm/dom_exception.js")),
    Source::new("hookyard:encoding", include_str!("realm/encoding.js")),
    Source::new("hookyard:equipment", include_str!("realm/equipment.js")),
    Source::new("hookyard:errors", include_str!("realm/errors.js")),
    Source::new("hookyard:event_target", include_str!("realm/event_target.js")),
    Source::new("hookyard:events", include_str!("realm/events.js")),
    Source::new("hookyard:exchange", include_str!("realm/exchange.js")),
    Source::new("hookyard:fetch", include_str!("realm/fetch.js")),
    Source::new("hookyard:fetch_failure", include_str!("realm/fetch_failure.js")),
    Source::new("hookyard:fetch_more", include_str!("realm/fetch_more.js")),
    Source::new("hookyard:fetching", include_str!("realm/fetching.js")),
    Source::new("hookyard:form_data", include_str!("realm/form_data.js")),
    Source::new("hookyard:format", include_str!("realm/format.js")),
    Source::new("hookyard:global_console", include_str!("realm/global_console.js")),
    Source::new("hookyard:header_list", include_str!("realm/header_list.js")),
    Source::new("hookyard:headers", include_str!("realm/headers.js")),
    Source::new("hookyard:hookyard", include_str!("realm/hookyard.js")),
    Source::new("hookyard:http", include_str!("realm/http.js")),
    Source::new("hookyard:http_headers", include_str!("realm/http_headers.js")),
    Source::new("hookyard:incoming_message", include_str!("realm/incoming_message.js")),
    Source::new("hookyard:inspect", include_str!("realm/inspect.js")),
    Source::new("hookyard:inspect_errors", include_str!("realm/inspect_errors.js")),
    Source::new("hookyard:inspect_layout", include_str!("realm/inspect_layout.js")),
    Source::new("hookyard:inspect_primitives", include_str!("realm/inspect_primitives.js")),
    Source::new("hookyard:inspect_styles", include_str!("realm/inspect_styles.js")),
    Source::new("hookyard:intrinsic_names", include_str!("realm/intrinsic_names.js")),
    Source::new("hookyard:intrinsics", include_str!("realm/intrinsics.js")),
    Source::new("hookyard:loader", include_str!("realm/loader.js")),
    Source::new("hookyard:locale", include_str!("realm/locale.js")),
    Source::new("hookyard:locale_methods", include_str!("realm/locale_methods.js")),
    Source::new("hookyard:loose_comparison", include_str!("realm/loose_comparison.js")),
    Source::new("hookyard:microtasks", include_str!("realm/microtasks.js")),
    Source::new("hookyard:mime", include_str!("realm/mime.js")),
    Source::new("hookyard:multipart", include_str!("realm/multipart.js")),
    Source::new("hookyard:numbers", include_str!("realm/numbers.js")),
    Source::new("hookyard:path", include_str!("realm/path.js")),
    Source::new("hookyard:percent", include_str!("realm/percent.js")),
    Source::new("hookyard:prelude", include_str!("realm/prelude.js")),
    Source::new("hookyard:primordials", include_str!("realm/primordials.js")),
    Source::new("hookyard:process", include_str!("realm/process.js")),
    Source::new("hookyard:querystring", include_str!("realm/querystring.js")),
    Source::new("hookyard:readable_stream", include_str!("realm/readable_stream.js")),
    Source::new("hookyard:received_headers", include_str!("realm/received_headers.js")),
    Source::new("hookyard:rejections", include_str!("realm/rejections.js")),
    Source::new("hookyard:request", include_str!("realm/request.js")),
    Source::new("hookyard:request_choices", include_str!("realm/request_choices.js")),
    Source::new("hookyard:request_init", include_str!("realm/request_init.js")),
    Source::new("hookyard:response", include_str!("realm/response.js")),
    Source::new("hookyard:response_more", include_str!("realm/response_more.js")),
    Source::new("hookyard:search_params", include_str!("realm/search_params.js")),
    Source::new("hookyard:stack_text", include_str!("realm/stack_text.js")),
    Source::new("hookyard:stacks", include_str!("realm/stacks.js")),
    Source::new("hookyard:string_decoder", include_str!("realm/string_decoder.js")),
    Source::new("hookyard:structured_clone", include_str!("realm/structured_clone.js")),
    Source::new("hookyard:table", include_str!("realm/table.js")),
    Source::new("hookyard:timers", include_str!("realm/timers.js")),
    Source::new("hookyard:types", include_str!("realm/types.js")),
    Source::new("hookyard:url", include_str!("realm/url.js")),
    Source::new("hookyard:util", include_str!("realm/util.js")),
    Source::new("hookyard:web_classes", include_str!("realm/web_classes.js")),
    Source::new("hookyard:webcrypto", include_str!("realm/webcrypto.js")),
    Source::new("hookyard:whatwg_url", include_str!("realm/whatwg_url.js")),
    Source::new("hookyard:width", include_str!("realm/width.js")),
    Source::new("hookyard:zlib", include_str!("realm/zlib.js")),
];

type ByteCode = [(&'static str, &'static [u8]); 1];

/// A module in JavaScript, and its bytecode once it was needed.
struct Source {
    name: &'static str,
    text: &'static str,
    bytecode: OnceLock<ByteCode>,
}

impl Source {
    const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text, bytecode: OnceLock::new() }
    }

    /// The text as it is compiled.
    fn code(&self) -> Cow<'static, str> {
        match self.name {
            INTRINSICS => listed(self.text).into(),
            INTRINSIC_NAMES => with_names(self.text).into(),
            _ => self.text.into(),
        }
    }

    /// The bytecode, compiled once per process.
    fn compiled(&'static self) -> Result<&'static ByteCode> {
        if let Some(compiled) = self.bytecode.get() {
            return Ok(compiled);
        }
        // Kept for as long as the process lives, as the engine refers to the bytes.
        let bytes: &'static [u8] = compile(self.name, &self.code())?.leak();
        Ok(self.bytecode.get_or_init(|| [(self.name, bytes)]))
    }

    fn load<'js>(&'static self, ctx: &Ctx<'js>) -> Result<Module<'js, Declared>> {
        let compiled: &'static [(&'static str, &'static [u8])] = self.compiled()?;
        Bundle(compiled).load(ctx, self.name)
    }
}

/// Resolves and loads the modules that are built in.
#[derive(Clone, Copy, Debug)]
pub(super) struct BuiltIn;

impl Resolver for BuiltIn {
    fn resolve<'js>(&mut self, ctx: &Ctx<'js>, base: &str, name: &str) -> Result<String> {
        let plain = name.strip_prefix("node:").unwrap_or(name);
        let own = name.starts_with(OWN) && (base.starts_with(OWN) || is_public(base));
        if own || is_public(plain) {
            return Ok(plain.to_owned());
        }
        // The engine's own message would be cut off.
        Err(not_found(ctx, "ERR_MODULE_NOT_FOUND", &missing(name, base)))
    }
}

impl Loader for BuiltIn {
    fn load<'js>(&mut self, ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
        match PUBLIC.iter().find(|source| source.name == name) {
            Some(source) => source.load(ctx),
            None => own(ctx, name),
        }
    }
}

/// Tells whether scripts can import a module of this name.
pub(super) fn is_public(name: &str) -> bool {
    PUBLIC.iter().any(|source| source.name == name)
}

/// Says that a module is not there which a file needs, and what scripts can import.
pub(super) fn missing(name: &str, base: &str) -> String {
    let name: String = name.chars().take(QUOTE_LIMIT_CHARACTERS).collect();
    format!("cannot find the module '{name}' that {base} needs: {}", only())
}

/// Says what scripts can import.
fn only() -> String {
    format!("a script can import {} only", PUBLIC.each_ref().map(|source| source.name).join(", "))
}

/// Loads one of our own modules.
fn own<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
    match REALM.iter().find(|source| source.name == name) {
        Some(source) => source.load(ctx),
        None => Err(Error::new_loading(name)),
    }
}

/// Evaluates one of our own modules and returns its exports.
pub(super) fn internal<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Object<'js>> {
    let (module, evaluated) = own(ctx, name)?.eval()?;
    evaluated.finish::<()>()?;
    module.namespace()
}

/// The `require` of `CommonJS` scripts.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
pub(super) fn require<'js>(ctx: Ctx<'js>, name: String) -> Result<Value<'js>> {
    let plain = name.strip_prefix("node:").unwrap_or(&name);
    if !is_public(plain) {
        return Err(not_found(&ctx, "MODULE_NOT_FOUND", &missing(&name, "the script")));
    }
    let exports: Object<'js> = Module::import(&ctx, name)?.finish().map_err(|error| match error {
        // None of them waits for anything: without memory, the engine leaves what it has begun.
        Error::WouldBlock => Exception::throw_internal(&ctx, "out of memory"),
        error => error,
    })?;
    let default: Value<'js> = exports.get("default")?;
    Ok(if default.is_undefined() { exports.into_value() } else { default })
}

/// Throws the error of a module that is not there, with the code that scripts know.
pub(super) fn not_found(ctx: &Ctx<'_>, code: &str, message: &str) -> Error {
    let thrown = Exception::from_message(ctx.clone(), message).and_then(|error| {
        error.as_object().set("code", code)?;
        Ok(error.throw())
    });
    thrown.unwrap_or_else(|error| error)
}

/// Loads one of our own modules for another one.
#[expect(clippy::needless_pass_by_value, reason = "the engine passes its arguments by value")]
pub(super) fn load<'js>(ctx: Ctx<'js>, name: String) -> Result<Object<'js>> {
    internal(&ctx, &format!("{OWN}{name}"))
}

/// Compiles a module, with those in it that it imports as a whole. The engine would copy the text of every function into
/// every realm, once more for each function around it; only classes are told by it from other functions.
fn compile(name: &str, text: &str) -> Result<Vec<u8>> {
    let runtime = Runtime::new()?;
    runtime.set_loader(BuiltIn, BuiltIn);
    let text = bundled(text);
    let options = WriteOptions { strip_source: !has_class(&text), ..WriteOptions::default() };
    Context::full(&runtime)?.with(|ctx| Module::declare(ctx, name, text)?.write(options))
}

/// Replaces each import of a whole module of ours by its text, as each module that is loaded costs every realm more than
/// what is in it.
fn bundled(text: &str) -> String {
    let mut bundled = String::with_capacity(text.len());
    for line in text.lines() {
        match imported(line) {
            Some(source) => put_in(&mut bundled, source),
            None => bundled.extend([line, "\n"]),
        }
    }
    bundled
}

/// The module that a line imports under its own name.
fn imported(line: &str) -> Option<&'static Source> {
    let (name, from) = line.strip_prefix("import * as ")?.split_once(" from \"")?;
    let source = REALM.iter().find(|source| from.strip_suffix("\";") == Some(source.name))?;
    (source.name.strip_prefix(OWN) == Some(name)).then_some(source)
}

/// Makes lists of the objects of captured intrinsics: a name costs every realm as much as what it names.
fn listed(text: &str) -> String {
    let mut within = false;
    let lines = text.lines().map(|line| match line {
        _ if is_start(line) => {
            within = true;
            line.replace('{', "list(")
        }
        "  };" if within => {
            within = false;
            "  );".to_owned()
        }
        _ if within => line.split_once(": ").map_or(line, |(_, value)| value).to_owned(),
        _ => line.to_owned(),
    });
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// Puts in the names of what is listed.
fn with_names(text: &str) -> String {
    let named = |kind: &str| {
        let listed = REALM.iter().find(|source| source.name == INTRINSICS).map_or("", |source| source.text);
        let lines = listed.lines().skip_while(|line| *line != start(kind)).skip(1).take_while(|line| *line != "  };");
        lines.filter_map(|line| Some(format!("\"{}\",", line.trim().split([':', ',']).next()?))).collect::<String>()
    };
    let call = |kind: &str| format!("namesIn(\"{kind}\")");
    KINDS.iter().fold(text.to_owned(), |text, kind| text.replace(&call(kind), &format!("[{}]", named(kind))))
}

/// The line with which the intrinsics of a kind begin.
fn start(kind: &str) -> String {
    format!("  const {kind} = {{")
}

fn is_start(line: &str) -> bool {
    KINDS.iter().any(|kind| line == start(kind))
}

/// Puts in a module as a block, which leaves behind an object with what the module exports.
fn put_in(bundled: &mut String, source: &Source) {
    let name = source.name.trim_start_matches(OWN);
    let mut exported = Vec::new();
    bundled.extend(["const ", name, " = { __proto__: null };\n{\n"]);
    let text = source.code();
    for line in text.lines() {
        let code = line.strip_prefix("export ");
        exported.extend(code.and_then(|code| code.split([' ', '(']).nth(1)));
        bundled.extend([code.unwrap_or(line), "\n"]);
    }
    for export in exported {
        bundled.extend([name, ".", export, " = ", export, ";\n"]);
    }
    bundled.push_str("}\n");
}

fn has_class(text: &str) -> bool {
    let mut code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    code.any(|line| line.starts_with("class ") || line.contains(" class "))
}

#[cfg(test)]
mod tests {
    use rquickjs::Function;

    use super::*;

    #[test]
    fn every_module_can_be_compiled() {
        for source in PUBLIC.iter().chain(&REALM) {
            assert!(source.compiled().is_ok(), "{}", source.name);
        }
    }

    #[test]
    fn modules_that_are_imported_as_a_whole_are_put_in() {
        let text = bundled("import * as clock from \"hookyard:clock\";\nimport * as other from \"hookyard:clock\";\n");
        let (clock, rest) = text.split_once("import * as other").unwrap();
        assert!(clock.starts_with("const clock = { __proto__: null };\n{\n"), "{clock}");
        assert!(
            clock.contains("\nfunction install(host) {") && clock.ends_with("\nclock.install = install;\n}\n"),
            "{clock}"
        );
        assert!(rest.starts_with(" from"), "{rest}");
    }

    #[test]
    fn every_captured_intrinsic_has_its_own_name() {
        let misnamed = "const plain = (name) => name.replace('get ', '').replace(/[^a-z]/gi, '').toLowerCase();
            const { values, methods, lean } = captured;
            Object.entries({ ...lean, ...values, ...methods }).filter(([key, value]) => value === undefined
                || typeof value === 'function' && !plain(key).endsWith(plain(value.name))).map(([key]) => key).join()";
        let runtime = Runtime::new().unwrap();
        runtime.set_loader(BuiltIn, BuiltIn);
        Context::full(&runtime).unwrap().with(|ctx| {
            let host = Object::new(ctx.clone()).unwrap();
            host.set("load", Function::new(ctx.clone(), load).unwrap()).unwrap();
            let capture: Function<'_> = internal(&ctx, INTRINSICS).unwrap().get("capture").unwrap();
            let captured: Object<'_> = capture.call((host,)).unwrap();
            let methods: Object<'_> = captured.get("methods").unwrap();
            assert!(methods.contains_key("WeakSetPrototypeHas").unwrap());
            ctx.globals().set("captured", captured).unwrap();
            assert_eq!(ctx.eval::<String, _>(misnamed).unwrap(), "");
        });
    }

    #[test]
    fn classes_are_told_from_what_is_said_about_them() {
        assert!(has_class("  class A {}") && has_class("x = class B {}") && has_class("const f = class {}"));
        assert!(!has_class("// the class A") && !has_class("const classes = []") && !has_class(""));
    }
}
