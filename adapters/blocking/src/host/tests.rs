//! What a server's books keep of clients that have gone: nothing.

use switchboard::Status;

use super::*;

#[test]
fn who_has_hung_up_before_it_is_told_that_there_is_no_room_is_forgotten() {
    let host = Host::new(Services::default(), ServerSettings::default(), 1);
    let host = Arc::new(host.unwrap());
    // As one whose thread has ended between its arrival and this.
    let gone = ConnectionId::new(1).unwrap();
    host.refuse(gone, Failure::new(Status::RESOURCE_EXHAUSTED, "no room"));
    // Else it would be one of the few that are told at a time, for ever.
    assert!(host.lock().refused.is_empty());
}
