//! The operators as their page shows them.

use crate::check;

const PAGE: &str = include_str!("../../../../docs/dispatchers/filters.md");

#[test]
fn every_row_of_the_page_matches_and_does_not_match_as_it_says() {
    let mut rows = 0;
    for row in PAGE.lines().filter(|line| line.starts_with("| `{")) {
        let cells: Vec<&str> = row.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`'])).collect();
        let [pattern, matching, other] = cells[..] else { panic!("{row}") };
        check(pattern, matching, true);
        check(pattern, other, false);
        rows += 1;
    }
    assert!(rows > 20, "{rows}");
    let operators =
        ["prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "cidr", "exists", "$or"];
    for operator in operators {
        assert!(PAGE.contains(&format!("\"{operator}\"")), "{operator}");
    }
}
