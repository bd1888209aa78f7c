use std::io::Write as _;

use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The archive with another name of the same length in both of its places.
fn renamed(mut archive: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..archive.len() - from.len()).filter(|at| archive[*at..].starts_with(from)).collect();
    assert_eq!(places.len(), 2, "the name is in the archive twice");
    for at in places {
        archive[at..at + to.len()].copy_from_slice(to);
    }
    archive
}

fn message(archive: &[u8]) -> String {
    unpack(archive).unwrap_err()
}

#[test]
fn files_are_unpacked_with_their_normalised_paths() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    writer.add_directory("lib/", stored).unwrap();
    writer.start_file("./index.js", stored).unwrap();
    writer.write_all(b"one").unwrap();
    writer.start_file("lib//util.js", SimpleFileOptions::default().large_file(true)).unwrap();
    writer.write_all(b"two").unwrap();
    writer.start_file("__MACOSX/._index.js", stored).unwrap();
    writer.start_file("lib/.DS_Store", stored).unwrap();
    writer.start_file("größe.txt", stored).unwrap();
    let files = unpack(&writer.finish().unwrap().into_inner()).unwrap();
    let expected = [("größe.txt", ""), ("index.js", "one"), ("lib/util.js", "two")];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), &**content)).collect();
    let mut expected = expected.map(|(path, content)| (path, content.as_bytes()));
    expected.sort_unstable();
    assert_eq!(files, expected);
}

#[test]
fn names_that_lead_elsewhere_are_refused_by_name() {
    let check = |name: &str, rule: &str| {
        let placeholder = "p".repeat(name.len());
        let message = message(&renamed(archive(&[(&placeholder, b"")]), placeholder.as_bytes(), name.as_bytes()));
        assert!(message.contains(rule), "{name:?}: {message}");
        assert!(message.contains(&shown(name)), "{name:?}: {message}");
    };
    check("../evil.js", "leads out");
    check("lib/../../evil.js", "leads out");
    check("lib/../evil.js", "leads out");
    check("..", "leads out");
    check("/etc/passwd", "absolute");
    check("//host/share", "absolute");
    check("C:/evil.js", "drive letter");
    check("hookyard:prelude", "drive letter or a scheme");
    check("lib\\evil.js", "backslash");
    check("..\\evil.js", "backslash");
    check("evil\0.js", "control character");
    check("evil\n.js", "control character");
    check("././.", "names no file");
    check(&"deep/".repeat(33), "directories");
    check(&"x".repeat(513), "bytes");
}

#[test]
fn entries_that_are_no_plain_files_are_refused_by_name() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link.js", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    assert_eq!(message(&writer.finish().unwrap().into_inner()), "`link.js` is a symbolic link");
    let mut encrypted = archive(&[("index.js", b"1")]);
    // The first bit of the flags, in the local header and in the central one.
    let central = encrypted.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    encrypted[6] |= 1;
    encrypted[central + 8] |= 1;
    assert_eq!(message(&encrypted), "`index.js` is encrypted");
}

#[test]
fn a_name_is_there_once_and_names_one_thing() {
    let twice = renamed(archive(&[("a.js", b"1"), ("b.js", b"2")]), b"b.js", b"a.js");
    assert_eq!(message(&twice), "the archive has two entries of the same name");
    assert_eq!(message(&archive(&[("a.js", b"1"), ("./a.js", b"2")])), "the file `a.js` is there twice");
    assert_eq!(message(&archive(&[("a", b"1"), ("a/b.js", b"2")])), "`a` is a file and a directory");
    assert_eq!(message(&archive(&[("a", b"1"), ("a-b", b""), ("a/b/c", b"2")])), "`a` is a file and a directory");
}

#[test]
fn archives_that_unpack_to_too_much_are_refused() {
    let zeros = vec![0; UNPACKED_LIMIT_BYTES + 1];
    let bomb = archive(&[("bomb.js", &zeros)]);
    assert!(bomb.len() < 20_000);
    assert_eq!(message(&bomb), "the files have more than 5 MB with the file `bomb.js`");
    let half = &zeros[..UNPACKED_LIMIT_BYTES / 2 + 1];
    assert_eq!(
        message(&archive(&[("a.js", half), ("b.js", half)])),
        "the files have more than 5 MB with the file `b.js`"
    );
    assert!(unpack(&archive(&[("a.js", &zeros[1..])])).is_ok());
    let names: Vec<String> = (0..=FILES_LIMIT).map(|number| number.to_string()).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(message(&archive(&many)), "the archive has more than 2000 files");
    assert_eq!(unpack(&archive(&many[1..])).unwrap().len(), FILES_LIMIT);
}

#[test]
fn an_archive_that_lies_about_sizes_is_refused() {
    let mut lying = archive(&[("bomb.js", &vec![0; UNPACKED_LIMIT_BYTES + 1])]);
    let central = lying.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    for at in [22, central + 24] {
        lying[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
    }
    assert!(message(&lying).contains("bomb.js"), "{}", message(&lying));
    let mut broken = archive(&[("index.js", b"exports.main = () => 'some text that is long enough'")]);
    broken[50] ^= 0xff;
    assert!(message(&broken).contains("index.js"), "{}", message(&broken));
}

#[test]
fn what_is_no_archive_is_refused() {
    for wrong in [&b""[..], b"PK\x03\x04", b"no archive at all", &archive(&[("a.js", b"1")])[..40]] {
        assert!(message(wrong).starts_with("the archive cannot be read"), "{}", message(wrong));
    }
    assert_eq!(message(&archive(&[])), "the archive has no files");
}

proptest! {
    #[test]
    fn a_path_stays_inside_or_is_refused(name in "[a-z./\\\\:\0]{0,40}|(\\.\\./|/|[a-z]|\\./|\\.\\.)*") {
        if let Ok(path) = path(&name) {
            prop_assert!(!path.starts_with('/') && !path.ends_with('/') && !path.contains(['\\', '\0']), "{}", path);
            prop_assert!(path.is_empty() || path.split('/').all(|segment| !matches!(segment, "" | "." | "..")), "{}", path);
            prop_assert_eq!(super::path(&path).ok().filter(|_| !path.is_empty()), Some(path.clone()).filter(|_| !path.is_empty()));
        }
    }

    #[test]
    fn any_bytes_can_be_unpacked_or_refused(bytes: Vec<u8>, at in any::<prop::sample::Index>(), byte: u8) {
        let _ = unpack(&bytes);
        let mut archive = archive(&[("index.js", b"exports.main = () => 1"), ("lib/a.js", b"")]);
        let at = at.index(archive.len());
        archive[at] = byte;
        let _ = unpack(&archive);
    }

    #[test]
    fn what_was_packed_is_unpacked(files in prop::collection::btree_map("[a-z]{1,8}(/[A-Z]{1,8}){0,3}\\.js", prop::collection::vec(any::<u8>(), 0..200), 1..8)) {
        let list: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
        let unpacked = unpack(&archive(&list)).unwrap();
        let unpacked: Vec<(&str, &[u8])> = unpacked.iter().map(|(path, content)| (path.as_str(), &**content)).collect();
        prop_assert_eq!(unpacked, list);
    }
}
