//! One deadline lies over look-up, dial, TLS, header and body alike. A site that drips is no different from one
//! that is silent.

use std::time::Duration;

use tokio::time::Instant;

use super::internet::{Answer, Internet, NAME, PUBLIC, Step, send};
use crate::{FetchError, Limits};

fn drip(head: &str) -> Vec<Step> {
    let mut steps = vec![send(head)];
    for _ in 0..100 {
        steps.extend([Step::Wait(Duration::from_millis(500)), send("x")]);
    }
    steps
}

#[tokio::test(start_paused = true)]
async fn c08_the_deadline_holds_wherever_the_far_side_stalls() {
    let site = |answer: Answer| Internet::new().name(NAME, &[PUBLIC]).host(PUBLIC, answer);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for (name, internet) in [
        ("look-up", Internet::new()),
        ("TLS", site(Answer::Silent)),
        ("status line", site(Answer::Tls(vec![Step::Hold]))),
        ("header, by drips", site(Answer::Tls(drip(&format!("{head}x-slow: "))))),
        (
            "body that never comes",
            site(Answer::Tls(vec![send(format!("{head}content-length: 9\r\n\r\n")), Step::Hold])),
        ),
        ("body, by drips", site(Answer::Tls(drip(&format!("{head}content-length: 100\r\n\r\n"))))),
    ] {
        let start = Instant::now();
        assert_eq!(internet.fetch().await, Err(FetchError::Timeout), "{name}");
        assert_eq!(start.elapsed().as_secs(), Limits::CLIENT_DOCUMENT.total.as_secs(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn c08_a_dial_that_hangs_gives_up_before_the_deadline() {
    let internet = Internet::new().name(NAME, &[PUBLIC]).host(PUBLIC, Answer::Hang);
    let start = Instant::now();
    assert_eq!(internet.fetch().await, Err(FetchError::Timeout));
    assert!(start.elapsed() < Limits::CLIENT_DOCUMENT.total);
}
