//! Finds and loads the modules that a package imports: its own files, and those of the sandbox.

use rquickjs::loader::{Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Result};

use super::compile::{self, Kind};
use super::examine;
use super::export_names::export_names;
use super::modules::{self, BuiltIn, OWN};
use super::package::{By, Format, Found, Package};
use super::script::{Limits, Script};

/// How the names of the modules begin that stand for `CommonJS` and JSON files where they are imported.
const COMMON_JS: &str = "hookyard:commonjs";

/// Resolves and loads the modules of a package. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct PackageLoader {
    package: Package,
    limits: Limits,
}

impl PackageLoader {
    pub(super) fn new(script: &Script) -> Self {
        Self { package: Package::new(script.files.clone()), limits: script.limits }
    }

    /// The name of the module that a file is, which is an error where the file cannot be one.
    fn module_of(&self, ctx: &Ctx<'_>, path: String) -> Result<String> {
        match self.package.format(&path) {
            Format::Json => Ok(format!("{COMMON_JS}{path}")),
            Format::Native => Err(native(ctx, &path)),
            Format::Module | Format::CommonJs | Format::Script => {
                match examine::kind(&self.package, &path, self.limits) {
                    Ok(Kind::Module) => Ok(path),
                    Ok(Kind::Body) => Ok(format!("{COMMON_JS}{path}")),
                    Err(rejected) => Err(examine::throw(ctx, &path, &rejected)),
                }
            }
        }
    }

    /// A module that exports what a `CommonJS` or JSON file does.
    fn stand_in(&self, path: &str) -> String {
        let literal = |text: &str| serde_json::Value::from(text).to_string();
        let mut text = format!(
            "import {{ registry }} from 'hookyard:prelude';\n\
             const exported = registry.commonjs.load({});\nexport default exported;\n",
            literal(path)
        );
        for (number, name) in export_names(&self.package, path).iter().enumerate() {
            text += &format!("const e{number} = exported?.[{}]; export {{ e{number} as {name} }};\n", literal(name));
        }
        text
    }
}

/// Throws the error of a file with machine code.
pub(super) fn native(ctx: &Ctx<'_>, path: &str) -> Error {
    modules::not_found(ctx, "ERR_DLOPEN_FAILED", &format!("{path} is machine code, which the sandbox cannot run"))
}

impl Resolver for PackageLoader {
    fn resolve<'js>(&mut self, ctx: &Ctx<'js>, base: &str, name: &str) -> Result<String> {
        // Only the sandbox itself asks for a file without being one.
        if base.is_empty() && name.starts_with('/') {
            return self.module_of(ctx, name.to_owned());
        }
        if !base.starts_with('/') {
            return BuiltIn.resolve(ctx, base, name);
        }
        match self.package.resolve(base, name, By::Import) {
            Ok(Found::BuiltIn(name)) => BuiltIn.resolve(ctx, base, &name),
            Ok(Found::File(path)) => self.module_of(ctx, path),
            Err(message) => Err(modules::not_found(ctx, "ERR_MODULE_NOT_FOUND", &message)),
        }
    }
}

impl Loader for PackageLoader {
    fn load<'js>(&mut self, ctx: &Ctx<'js>, name: &str) -> Result<Module<'js, Declared>> {
        if let Some(path) = name.strip_prefix(COMMON_JS).filter(|path| path.starts_with('/')) {
            return Module::declare(ctx.clone(), name, self.stand_in(path));
        }
        if !name.starts_with('/') || name.starts_with(OWN) {
            return BuiltIn.load(ctx, name);
        }
        let Some(text) = self.package.text(name) else { return Err(Error::new_loading(name)) };
        let module = Module::declare(ctx.clone(), name, compile::module(&text))?;
        module.meta()?.set("url", format!("file://{name}"))?;
        Ok(module)
    }
}
