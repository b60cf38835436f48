//! Tests of the plan, as a table and as a property: for any state, it is safe and converges.

use super::*;
use crate::mirror::{candidate::Provenance, select::tests::candidate, state::Header};
use proptest::prelude::*;

/// Returns the default trust, with this use of records.
fn belief(memory: RecordUse) -> Trusted {
    Trusted { memory, presence: Presence::Equal, shape: None }
}

fn place(candidate: &Candidate) -> Target {
    Target { group: format!("ns/{}", candidate.id.chart), name: candidate.id.version.clone() }
}

fn wanted(candidate: Candidate) -> Wanted {
    let lies = Some(place(&candidate));
    Wanted { place: Ok(place(&candidate)), candidate, lies, alias: None }
}

fn record(candidate: &Candidate, outcome: Outcome) -> Record {
    Record {
        id: candidate.id.clone(),
        outcome,
        line: candidate.fingerprint,
        index: candidate.digest.clone(),
        content_fingerprint: content_fingerprint(candidate),
        origin: candidate.origin.clone(),
        content: candidate.digest.clone(),
        manifest: None,
        named: None,
        shape: None,
        alias: None,
        attached: 0,
        digest_tags: 0,
        carried: 0,
        provenance: Provenance::Missing,
        provenance_fingerprint: None,
        reason: None,
    }
}

fn state(records: &[Record], settled: bool) -> State {
    let mut state = State::new(Header { settled, ..Header::default() });
    for record in records {
        state.record(record.clone());
    }
    state
}

fn present(places: &[(&Candidate, Option<Digest>)]) -> Present {
    let mut present = Present::new();
    for (candidate, digest) in places {
        let place = place(candidate);
        present.entry(place.group).or_default().insert(place.name, digest.clone());
    }
    present
}

/// Returns the candidate with a line that differs only in its time.
fn touched(candidate: &Candidate) -> Candidate {
    Candidate {
        created: "2030-01-01T00:00:00Z".into(),
        fingerprint: Fingerprint::of(b"touched"),
        ..candidate.clone()
    }
}

fn republished(candidate: &Candidate) -> Candidate {
    Candidate { digest: Some(Digest::sha256(b"other")), ..touched(candidate) }
}

#[test]
fn every_case_has_its_action() {
    let one = candidate("a", "1.0.0");
    let bare =
        Candidate { digest: None, content_fingerprint: Some(Fingerprint::of(b"e")), ..one.clone() };
    let known =
        |one: &Candidate| Action::Compare(Known { content: one.digest.clone(), manifest: None });
    let other = Some(Digest::sha256(b"other"));
    let nothing = Present::new();
    for (what, now, state, present, memory, expected) in [
        ("new", &one, None, nothing.clone(), RecordUse::Whole, Action::Send),
        ("there", &one, None, present(&[(&one, None)]), RecordUse::Whole, Action::Adopt),
        (
            "there, by a list with digests",
            &one,
            None,
            present(&[(&one, one.digest.clone())]),
            RecordUse::Whole,
            Action::Adopt,
        ),
        (
            "another, by a list with digests",
            &one,
            None,
            present(&[(&one, other)]),
            RecordUse::Whole,
            Action::Look,
        ),
        (
            "there, and we did not put it there",
            &one,
            Some(state(&[], true)),
            present(&[(&one, None)]),
            RecordUse::Whole,
            Action::Look,
        ),
        (
            "there, perhaps put by the run that was killed",
            &one,
            Some(state(&[], false)),
            present(&[(&one, None)]),
            RecordUse::Whole,
            Action::Adopt,
        ),
        (
            "recorded",
            &one,
            Some(state(&[record(&one, Outcome::Held)], true)),
            nothing.clone(),
            RecordUse::Whole,
            Action::Keep,
        ),
        (
            "recorded, another time",
            &touched(&one),
            Some(state(&[record(&one, Outcome::Held)], true)),
            nothing.clone(),
            RecordUse::Whole,
            Action::Keep,
        ),
        (
            "recorded without a digest, another time",
            &touched(&bare),
            Some(state(&[record(&bare, Outcome::Present)], true)),
            nothing.clone(),
            RecordUse::Whole,
            Action::Keep,
        ),
        (
            "recorded, republished",
            &republished(&one),
            Some(state(&[record(&one, Outcome::Held)], true)),
            nothing.clone(),
            RecordUse::Whole,
            known(&one),
        ),
        (
            "gone from the source",
            &one,
            Some(state(&[record(&one, Outcome::Gone)], true)),
            nothing.clone(),
            RecordUse::Whole,
            Action::Still,
        ),
        (
            "gone, and another line",
            &republished(&one),
            Some(state(&[record(&one, Outcome::Gone)], true)),
            nothing.clone(),
            RecordUse::Whole,
            Action::Send,
        ),
        (
            "mismatch, under another policy",
            &one,
            Some(state(&[record(&one, Outcome::Mismatch)], true)),
            nothing.clone(),
            RecordUse::WithoutRefusals,
            Action::Send,
        ),
        (
            "conflict, under another policy",
            &one,
            Some(state(&[record(&one, Outcome::Conflict)], true)),
            nothing,
            RecordUse::WithoutRefusals,
            Action::Look,
        ),
    ] {
        let actions = plan(&[wanted(now.clone())], state.as_ref(), &present, belief(memory));
        assert_eq!(actions, [expected], "{what}");
    }
}

#[test]
fn two_versions_with_one_place_are_one_action_and_one_refusal() {
    let (first, second) = (candidate("a", "1.0.0+x"), candidate("a", "1.0.0_x"));
    let mut both = [wanted(first), wanted(second)];
    both[1].place = both[0].place.clone();
    let actions = plan(&both, None, &Present::new(), belief(RecordUse::Whole));
    assert_eq!(actions, [Action::Send, Action::Unplaced("a 1.0.0+x has the same place".into())]);
    let unplaced = Wanted { place: Err("no tag".into()), ..wanted(candidate("a", "1 0")) };
    assert_eq!(
        plan(&[unplaced], None, &Present::new(), belief(RecordUse::Whole)),
        [Action::Unplaced("no tag".into())]
    );
}

#[test]
fn only_groups_with_something_new_are_listed() {
    let all: Vec<Wanted> =
        ["a", "b", "c"].iter().map(|name| wanted(candidate(name, "1.0.0"))).collect();
    let state = state(
        &[record(&all[0].candidate, Outcome::Held), record(&all[1].candidate, Outcome::Gone)],
        true,
    );
    assert_eq!(groups(&all, Some(&state)).into_iter().collect::<Vec<_>>(), ["ns/b", "ns/c"]);
    assert_eq!(groups(&all, None).len(), 3);
}

#[test]
fn what_is_compared_is_looked_at_and_so_is_a_new_provenance_file() {
    let one = candidate("a", "1.0.0");
    let signed = Candidate { provenance: Provenance::There, ..one.clone() };
    let bare = Candidate { digest: None, ..one.clone() };
    let there = present(&[(&one, None)]);
    let held = state(&[record(&one, Outcome::Held)], true);
    let adopted = state(&[record(&one, Outcome::Present)], true);
    let compared = Trusted { presence: Presence::Compared, ..belief(RecordUse::Whole) };
    let again = Trusted { memory: RecordUse::Compared, ..compared };
    let near = Trusted { presence: Presence::Listed, ..belief(RecordUse::Whole) };
    let rules = Some(Fingerprint::of(b"rules"));
    let rewritten = Trusted { shape: rules, ..belief(RecordUse::Whole) };
    let mut anew = record(&one, Outcome::Held);
    anew.shape = rules;
    let anew = state(&[anew], true);
    let skipped = state(&[record(&one, Outcome::Skipped)], true);
    let retried = belief(RecordUse::WithoutRefusals);
    for (what, now, state, belief, expected) in [
        ("compared", &one, None, compared, Action::Look),
        ("compared, recorded", &one, Some(&held), compared, Action::Keep),
        ("compared, adopted", &one, Some(&adopted), compared, Action::Look),
        ("compared again", &one, Some(&held), again, Action::Look),
        ("there", &one, None, near, Action::Look),
        ("there, without a digest", &bare, None, near, Action::Look),
        ("adopted, and no longer trusted", &one, Some(&adopted), near, Action::Look),
        ("signed since", &signed, Some(&held), belief(RecordUse::Whole), Action::Look),
        ("signed and packed anew", &signed, Some(&anew), rewritten, Action::Keep),
        ("now to be packed anew", &one, Some(&held), rewritten, Action::Look),
        ("no longer to be packed anew", &one, Some(&anew), near, Action::Look),
        ("skipped", &one, Some(&skipped), near, Action::Keep),
        ("skipped, under another policy", &one, Some(&skipped), retried, Action::Look),
    ] {
        assert_eq!(plan(&[wanted(now.clone())], state, &there, belief), [expected], "{what}");
    }
}

#[test]
fn a_list_that_lacks_what_is_recorded_or_has_another_digest_is_a_reason_to_look() {
    let one = candidate("a", "1.0.0");
    let held = state(&[record(&one, Outcome::Held)], true);
    let listed = |digest: Option<Option<Digest>>| {
        let names = digest.map(|digest| (one.id.version.clone(), digest));
        Present::from([(place(&one).group, names.into_iter().collect())])
    };
    for (what, present, expected) in [
        ("not listed", Present::new(), Action::Keep),
        ("there", listed(Some(None)), Action::Keep),
        ("there by its digest", listed(Some(one.digest.clone())), Action::Keep),
        ("another", listed(Some(Some(Digest::sha256(b"other")))), Action::Look),
        ("gone", listed(None), Action::Look),
    ] {
        let actions = plan(&[wanted(one.clone())], Some(&held), &present, belief(RecordUse::Whole));
        assert_eq!(actions, [expected], "{what}");
    }
    let second = Wanted { alias: Some("2".into()), ..wanted(one.clone()) };
    let actions = plan(&[second], Some(&held), &Present::new(), belief(RecordUse::Whole));
    assert_eq!(actions, [Action::Name]);
}

fn outcomes() -> impl Strategy<Value = Option<Outcome>> {
    prop_oneof![
        Just(None),
        Just(Some(Outcome::Held)),
        Just(Some(Outcome::Present)),
        Just(Some(Outcome::Skipped)),
        Just(Some(Outcome::Gone)),
        Just(Some(Outcome::Mismatch)),
        Just(Some(Outcome::Conflict)),
    ]
}

proptest! {
    /// For any state and any destination: recorded and unchanged versions are skipped, and present
    /// ones are never overwritten unseen. Planning the result again leaves nothing to do.
    #[test]
    fn plans_are_safe_and_converge(
        versions in prop::collection::vec((outcomes(), any::<bool>(), 0_u8..3), 1..20),
        settled in any::<bool>(),
    ) {
        let mut records = Vec::new();
        let mut there = Vec::new();
        let mut all = Vec::new();
        for (n, (outcome, held, change)) in versions.iter().enumerate() {
            let old = candidate("a", &format!("1.0.{n}"));
            records.extend(outcome.map(|outcome| record(&old, outcome)));
            if *held || outcome.is_some_and(Outcome::is_placed) {
                there.push(old.clone());
            }
            all.push(wanted(match change {
                0 => old,
                1 => touched(&old),
                _ => republished(&old),
            }));
        }
        let present = present(&there.iter().map(|one| (one, None)).collect::<Vec<_>>());
        let state = self::state(&records, settled);
        let actions = plan(&all, Some(&state), &present, belief(RecordUse::Whole));
        prop_assert_eq!(actions.len(), all.len());
        let mut next = State::new(Header { settled: true, ..Header::default() });
        for (one, action) in all.iter().zip(&actions) {
            let known = state.find(&one.candidate.id);
            if let Some(known) = known && is_same(&one.candidate, known) {
                prop_assert!(matches!(action, Action::Keep | Action::Still), "{action:?}");
            }
            if there.iter().any(|held| held.id == one.candidate.id) {
                prop_assert_ne!(action, &Action::Send);
            }
            let outcome = match action {
                Action::Still => known.expect("it was known").outcome,
                _ => Outcome::Held,
            };
            next.record(record(&one.candidate, outcome));
        }
        for action in plan(&all, Some(&next), &Present::new(), belief(RecordUse::Whole)) {
            prop_assert!(matches!(action, Action::Keep | Action::Still), "{action:?}");
        }
    }
}
