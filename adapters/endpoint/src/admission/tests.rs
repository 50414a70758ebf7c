//! The books against each limit, and against books kept in the simplest way.

use proptest::prelude::*;

use super::*;

const ALICE: Uid = Some(1000);
const BOB: Uid = Some(1001);

fn id(number: u64) -> ConnectionId {
    ConnectionId::new(number).unwrap()
}

fn limits(connections: usize, per_user: usize, unaccepted: usize, each: usize) -> AdmissionLimits {
    AdmissionLimits {
        connections,
        connections_per_user: per_user,
        unaccepted,
        unaccepted_per_user: each,
    }
}

/// Who had to make room, or why it was refused.
fn told(arrival: Arrival) -> Result<Option<u64>, String> {
    let checked = |failure: Failure| {
        assert_eq!(failure.status, Status::RESOURCE_EXHAUSTED);
        assert!(failure.message.len() < 256, "{failure}");
        failure.message
    };
    match arrival {
        Arrival::Admitted => Ok(None),
        Arrival::AdmittedInPlaceOf(id, failure) => {
            let text = checked(failure);
            assert!(text.contains("made room") && text.contains("unaccepted"), "{text}");
            Ok(Some(id.number()))
        }
        Arrival::Refused(failure) => Err(checked(failure)),
    }
}

#[test]
fn the_defaults_are_the_protocols() {
    assert_eq!(AdmissionLimits::default(), limits(1024, 256, 64, 16));
    AdmissionLimits::default().check().unwrap();
}

#[test]
fn a_limit_of_nothing_is_refused_by_name() {
    limits(1, 1, 1, 1).check().unwrap();
    for (limits, name) in [
        (limits(0, 1, 1, 1), "connections must"),
        (limits(1, 0, 1, 1), "connections_per_user must"),
        (limits(1, 1, 0, 1), "unaccepted must"),
        (limits(1, 1, 1, 0), "unaccepted_per_user must"),
    ] {
        let error = limits.check().unwrap_err();
        assert!(matches!(error, OpenError::BadConfig(_)), "{error}");
        assert!(error.to_string().starts_with(name), "{error}");
    }
}

/// Each limit at one below, at it, and one above.
#[test]
fn connections_are_counted_in_all() {
    let mut books = Admission::new(AdmissionLimits::default());
    let user = |number: u64| Some(u32::try_from(number % 5).unwrap());
    for number in 0..1024 {
        assert_eq!(told(books.arrive(id(number), user(number))), Ok(None), "{number}");
        assert!(books.accepted(id(number)));
    }
    assert_eq!((books.connections(), books.unaccepted()), (1024, 0));
    let text = told(books.arrive(id(2000), ALICE)).unwrap_err();
    assert_eq!(
        text,
        "too many connections: the server's connections allows 1024; close some, or raise it"
    );
    assert_eq!(books.connections(), 1024);
    books.gone(id(7));
    assert_eq!(told(books.arrive(id(2001), ALICE)), Ok(None));
    told(books.arrive(id(2002), ALICE)).unwrap_err();
}

#[test]
fn connections_are_counted_by_user() {
    let mut books = Admission::new(AdmissionLimits::default());
    for number in 0..256 {
        assert_eq!(told(books.arrive(id(number), ALICE)), Ok(None), "{number}");
        assert!(books.accepted(id(number)));
    }
    let text = told(books.arrive(id(256), ALICE)).unwrap_err();
    assert!(text.contains("of uid 1000: the server's connections_per_user allows 256"), "{text}");
    // Others are not concerned.
    assert_eq!(told(books.arrive(id(257), BOB)), Ok(None));
    assert_eq!(told(books.arrive(id(258), None)), Ok(None));
    books.gone(id(0));
    assert_eq!(told(books.arrive(id(259), ALICE)), Ok(None));
}

#[test]
fn of_a_users_unaccepted_the_oldest_makes_room() {
    let mut books = Admission::new(AdmissionLimits::default());
    for number in 0..16 {
        assert_eq!(told(books.arrive(id(number), ALICE)), Ok(None), "{number}");
    }
    assert_eq!(told(books.arrive(id(16), ALICE)), Ok(Some(0)));
    assert_eq!((books.connections(), books.unaccepted()), (16, 16));
    // It is off the books: nothing that is said of it counts any more.
    assert!(!books.accepted(id(0)));
    books.gone(id(0));
    assert_eq!((books.connections(), books.unaccepted()), (16, 16));
    // One that was accepted is safe, however old.
    assert!(books.accepted(id(1)));
    assert!(books.accepted(id(1)), "a second time");
    assert_eq!(told(books.arrive(id(17), ALICE)), Ok(None));
    assert_eq!(told(books.arrive(id(18), ALICE)), Ok(Some(2)));
    assert_eq!((books.connections(), books.unaccepted()), (17, 16));
}

#[test]
fn of_all_the_unaccepted_the_largest_crowd_makes_room() {
    let mut books = Admission::new(limits(100, 100, 6, 4));
    for (number, user) in [(1, BOB), (2, ALICE), (3, ALICE), (4, ALICE), (5, None)] {
        assert_eq!(told(books.arrive(id(number), user)), Ok(None));
    }
    assert_eq!(told(books.arrive(id(6), None)), Ok(None), "the sixth is still in");
    assert_eq!(told(books.arrive(id(7), BOB)), Ok(Some(2)), "not Bob's, though older");
    // Now all have two, and each pushes out its own.
    assert_eq!(told(books.arrive(id(8), None)), Ok(Some(5)));
    assert_eq!(told(books.arrive(id(9), BOB)), Ok(Some(1)));
    assert_eq!(told(books.arrive(id(10), ALICE)), Ok(Some(3)));
    // Whoever has none gets room from the crowd whose oldest came first.
    assert_eq!(told(books.arrive(id(11), Some(7))), Ok(Some(4)));
    assert_eq!((books.connections(), books.unaccepted()), (6, 6));
}

#[test]
fn a_user_who_floods_never_pushes_out_another_ones() {
    let mut books = Admission::new(AdmissionLimits::default());
    let (mut next, mut honest) = (0, Vec::new());
    for user in 0..48 {
        next += 1;
        assert_eq!(told(books.arrive(id(next), Some(user))), Ok(None));
        honest.push(next);
    }
    for _ in 0..1000 {
        next += 1;
        let out = told(books.arrive(id(next), ALICE)).unwrap();
        assert!(out.is_none_or(|out| !honest.contains(&out)), "{out:?}");
    }
    assert_eq!(books.unaccepted(), 64);
    assert!(honest.into_iter().all(|number| books.accepted(id(number))));
}

#[test]
fn a_number_that_comes_again_is_a_new_connection() {
    let mut books = Admission::new(limits(1, 1, 1, 1));
    assert_eq!(told(books.arrive(id(1), ALICE)), Ok(None));
    assert!(books.accepted(id(1)));
    assert_eq!(told(books.arrive(id(1), BOB)), Ok(None));
    assert_eq!((books.connections(), books.unaccepted()), (1, 1));
}

/// The same books, kept in one list in the order of arrival.
struct Model {
    limits: AdmissionLimits,
    list: Vec<(u64, Uid, bool)>,
}

impl Model {
    fn count(&self, of: impl Fn(&(u64, Uid, bool)) -> bool) -> usize {
        self.list.iter().filter(|one| of(one)).count()
    }

    fn waiting(&self, user: Uid) -> usize {
        self.count(|(_, uid, accepted)| *uid == user && !accepted)
    }

    fn arrive(&mut self, number: u64, user: Uid) -> Result<Option<u64>, ()> {
        let theirs = self.count(|(_, uid, _)| *uid == user);
        if theirs >= self.limits.connections_per_user || self.list.len() >= self.limits.connections
        {
            return Err(());
        }
        let own = self.waiting(user);
        let mut from = None;
        if own >= self.limits.unaccepted_per_user {
            from = Some(user);
        } else if self.count(|(_, _, accepted)| !accepted) >= self.limits.unaccepted {
            let waiting = || self.list.iter().filter(|(_, _, accepted)| !accepted);
            let most = waiting().map(|(_, uid, _)| self.waiting(*uid)).max().unwrap();
            let first = waiting().find(|(_, uid, _)| self.waiting(*uid) == most).unwrap().1;
            from = Some(if own == most { user } else { first });
        }
        let oldest = from.map(|from| {
            let of = |(_, uid, accepted): &(u64, Uid, bool)| *uid == from && !accepted;
            self.list.remove(self.list.iter().position(of).unwrap()).0
        });
        self.list.push((number, user, false));
        Ok(oldest)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(Uid),
    Accept(prop::sample::Index),
    Gone(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = prop_oneof![Just(None), (0..4_u32).prop_map(Some)];
    let step = prop_oneof![
        4 => user.prop_map(Step::Arrive),
        2 => any::<prop::sample::Index>().prop_map(Step::Accept),
        1 => any::<prop::sample::Index>().prop_map(Step::Gone),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn they_are_the_same_as_the_simplest_books(
        (a, b, c, d) in (1..12_usize, 1..8_usize, 1..8_usize, 1..5_usize),
        steps in steps(),
    ) {
        let limits = limits(a, b, c, d);
        let mut books = Admission::new(limits.clone());
        let mut model = Model { limits: limits.clone(), list: Vec::new() };
        for (number, step) in steps.into_iter().enumerate() {
            // Of numbers that were given, on the books or not.
            let one = |index: prop::sample::Index| index.index(number + 1) as u64;
            match step {
                Step::Arrive(user) => {
                    let number = number as u64;
                    let arrival = told(books.arrive(id(number), user)).map_err(drop);
                    prop_assert_eq!(arrival, model.arrive(number, user));
                }
                Step::Accept(index) => {
                    let number = one(index);
                    let found = model.list.iter_mut().find(|(id, _, _)| *id == number);
                    prop_assert_eq!(books.accepted(id(number)), found.is_some());
                    if let Some((_, _, accepted)) = found {
                        *accepted = true;
                    }
                }
                Step::Gone(index) => {
                    let number = one(index);
                    books.gone(id(number));
                    model.list.retain(|(id, _, _)| *id != number);
                }
            }
            let waiting = model.count(|(_, _, accepted)| !accepted);
            prop_assert_eq!(books.connections(), model.list.len());
            prop_assert_eq!(books.unaccepted(), waiting);
            prop_assert!(model.list.len() <= limits.connections && waiting <= limits.unaccepted);
            for user in [None, Some(0), Some(1), Some(2), Some(3)] {
                let theirs = model.count(|(_, uid, _)| *uid == user);
                prop_assert!(theirs <= limits.connections_per_user);
                prop_assert!(model.waiting(user) <= limits.unaccepted_per_user);
                // What is kept of a user goes with its last connection.
                let kept = books.users.get(&user).map_or(0, |user| user.connections);
                prop_assert_eq!((kept, books.users.contains_key(&user)), (theirs, theirs > 0));
            }
            let crowds: usize = books.crowds.iter().map(|(count, _, _)| count).sum();
            prop_assert_eq!(crowds, waiting);
        }
    }
}
