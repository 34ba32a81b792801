//! What Gatepass and `jwt_authn` decide differently, and the page that says why.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
};

use gatepass_attacks::{Corpus, corpus::Difference, figures, report};
use gatepass_stack::Checkout;

use super::Outcomes;

const PAGE: &str = "docs/differences-from-jwt-authn.md";

/// Cases that one of the two lets pass, with the answers of both: Gatepass's first.
pub fn disagreements(ours: &Outcomes, theirs: &Outcomes) -> BTreeMap<String, [String; 2]> {
    let both = ours.iter().filter_map(|(id, ours)| Some((id, ours, theirs.get(id)?)));
    let differ = both.filter(|(_, ours, theirs)| (*ours == "200") != (*theirs == "200"));
    differ.map(|(id, ours, theirs)| (id.clone(), [ours.clone(), theirs.clone()])).collect()
}

/// Holds `corpus/differences.yaml` to what was found, and the page to both.
pub fn assert_explained(corpus: &Corpus, version: &str, ours: &Outcomes, theirs: &Outcomes) {
    let found = disagreements(ours, theirs);
    let differences = Corpus::differences();
    let explained: Vec<&String> = differences.iter().flat_map(|difference| &difference.cases).collect();
    let unexplained: Vec<_> = found.iter().filter(|(id, _)| !explained.contains(id)).collect();
    assert!(unexplained.is_empty(), "they disagree, and nothing says why: {unexplained:#?}");
    let unseen: Vec<_> = explained.iter().filter(|id| !found.contains_key(**id)).collect();
    assert!(unseen.is_empty(), "they agree, though corpus/differences.yaml says otherwise: {unseen:?}");
    let unique: BTreeSet<_> = explained.iter().collect();
    assert_eq!(unique.len(), explained.len(), "a case is explained twice");

    let page = page(corpus, version, ours, theirs, &differences, &found);
    let place = Checkout::find().unwrap().root().join(PAGE);
    if fs::read_to_string(&place).unwrap_or_default() != page {
        let new = report::target().join("attacks/differences-from-jwt-authn.md");
        fs::write(&new, page).unwrap();
        panic!("{PAGE} is not what this run found; if that is right, copy {} there", new.display());
    }
}

fn page(
    corpus: &Corpus,
    version: &str,
    ours: &Outcomes,
    theirs: &Outcomes,
    differences: &[Difference],
    found: &BTreeMap<String, [String; 2]>,
) -> String {
    let both = ours.keys().filter(|id| theirs.contains_key(*id)).count();
    let (lax, strict): (Vec<_>, Vec<_>) =
        differences.iter().partition(|difference| difference.cases.iter().all(|id| found[id][1] == "200"));
    let count = |rows: &[&Difference]| rows.iter().map(|difference| difference.cases.len()).sum::<usize>();
    let figures = [both, count(&lax), count(&strict)];
    figures::assert_in_readme("The same attacks, Envoy's `jwt_authn` and `rbac` against us", figures);
    let statuses = ours.iter().filter(|(id, ours)| {
        let status = |answer: &str| answer.split(' ').next().map(str::to_owned);
        theirs
            .get(*id)
            .is_some_and(|theirs| *ours != "200" && theirs != "200" && status(ours) != status(theirs))
    });
    let mut page = format!(
        "# Differences from `jwt_authn`\n\n\
         <!-- Written by the test of the attack corpus (tests/envoy); the reasons are in \
         tests/attacks/corpus/differences.yaml. -->\n\n\
         The attack corpus runs against Gatepass and, in the same Envoy {version}, against Envoy's own `jwt_authn` \
         with `rbac`, configured for the same issuers, audiences and roles. Of {both} requests that both were sent, \
         they decide {} differently. {} more both refuse, with another status. Cases about what these \
         filters do not have, such as discovery documents and parameters of paths, were not sent.\n",
        count(&lax) + count(&strict),
        statuses.count(),
    );
    let mut table = |title: &str, rows: &[&Difference]| {
        let _ = write!(page, "\n## {title}: {} requests\n\n", count(rows));
        let _ = writeln!(page, "| what | why Gatepass does what it does | cases |\n|---|---|---|");
        for Difference { what, why, cases } in rows {
            let cases: Vec<_> = cases.iter().map(|id| format!("`{id}`")).collect();
            let _ = writeln!(page, "| {} | {} | {} |", what.trim(), why.trim(), cases.join(", "));
        }
    };
    table("`jwt_authn` lets pass, Gatepass refuses", &lax);
    table("Gatepass lets pass, `jwt_authn` refuses", &strict);
    let _ = write!(
        page,
        "\n## The cases\n\n| case | what it does | Gatepass | `jwt_authn` |\n|---|---|---|---|\n"
    );
    for case in corpus.cases() {
        if let Some([ours, theirs]) = found.get(&case.id) {
            let _ =
                writeln!(page, "| `{}` | {} | {ours} | {theirs} |", case.id, case.what.replace('|', "\\|"));
        }
    }
    page
}
