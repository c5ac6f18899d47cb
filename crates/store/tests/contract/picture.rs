//! Everything a store answers about the few records of `given`, in one value that can be compared.

use portcullis_rules::approve::Approval;
use portcullis_rules::budget::Used;
use portcullis_rules::event::Event;
use portcullis_rules::facts::{AgentQuery, ApprovalQuery, ToolBook};
use portcullis_rules::federation::{ArrivalFacts, Handoff, LinkFacts, Provider};
use portcullis_rules::model::{Client, Code, Cut, Grant, KeyRecord, Origin, Session, SetupLink, User};
use portcullis_store::{ArrivalAsk, BrowserAsk, Store};
use portcullis_wire::time::UnixTime;

use crate::given::{
    FEW, approval_id, client_id, code_id, digest, grant_id, hours, link_number, resource, session_id, user_id,
};

use crate::providers::{email, link_to};

type SignedIn = (Option<(Session, User)>, Vec<Grant>);
type Redeemable = (Option<Code>, Option<Client>, Option<User>, bool);
type Agent = (Grant, Option<Client>, Option<String>);

/// What a store answers, call by call.
#[derive(Debug, PartialEq)]
pub(crate) struct Picture {
    pub(crate) clients: Vec<Client>,
    registered: Vec<Client>,
    each_client: Vec<Option<Client>>,
    pub(crate) users: Vec<User>,
    each_user: Vec<(Option<User>, Option<User>)>,
    has_local_users: bool,
    pub(crate) sessions: Vec<SignedIn>,
    pub(crate) codes: Vec<Redeemable>,
    pub(crate) grants: Vec<(Option<Grant>, Option<Client>, Option<User>)>,
    machines: Vec<Option<Grant>>,
    pub(crate) spent: Vec<bool>,
    links: Vec<(Option<SetupLink>, Option<User>)>,
    pub(crate) keys: Vec<KeyRecord>,
    pub(crate) cuts: (u64, Vec<Cut>),
    late_cuts: Vec<Cut>,
    pub(crate) events: Vec<Event>,
    agents: Vec<Vec<Agent>>,
    pub(crate) approvals: Vec<Vec<Approval>>,
    asked: Vec<(Vec<Approval>, usize)>,
    pub(crate) books: Vec<ToolBook>,
    pub(crate) uses: Vec<Used>,
    personal: Vec<(Option<Client>, usize)>,
    providers: Vec<Provider>,
    handoffs: Vec<Option<Handoff>>,
    arrivals: Vec<(ArrivalFacts, LinkFacts)>,
}

pub(crate) async fn picture(store: &dyn Store) -> Picture {
    let all = usize::MAX;
    let mut p = Picture {
        clients: store.clients(None, all).await.unwrap(),
        registered: store.clients(Some(Origin::Registered), 2).await.unwrap(),
        each_client: Vec::new(),
        users: store.users().await.unwrap(),
        each_user: Vec::new(),
        has_local_users: store.setup_facts(None).await.unwrap().has_local_users,
        sessions: Vec::new(),
        codes: Vec::new(),
        grants: Vec::new(),
        machines: Vec::new(),
        spent: Vec::new(),
        links: Vec::new(),
        keys: store.keys().await.unwrap(),
        cuts: store.cuts(UnixTime::from_millis(0)).await.unwrap(),
        late_cuts: store.cuts(hours(24)).await.unwrap().1,
        events: store.events(all).await.unwrap(),
        agents: Vec::new(),
        approvals: Vec::new(),
        asked: Vec::new(),
        books: Vec::new(),
        uses: store.uses(hours(24)).await.unwrap(),
        personal: Vec::new(),
        providers: store.providers().await.unwrap(),
        handoffs: Vec::new(),
        arrivals: Vec::new(),
    };
    for n in 0..2 {
        p.books.push(store.tools(resource(n)).await.unwrap());
    }
    for n in 0..FEW {
        p.handoffs.push(store.handoff(digest("handoff", n)).await.unwrap());
        let link = link_to(n / 2, n % 2);
        let ask = ArrivalAsk {
            issuer: link.issuer.clone(),
            subject: link.subject.clone(),
            email: (n < 3).then(|| email(n)),
            names: (0..FEW).map(|n| format!("person {n}")).collect(),
            handoff: (n < 3).then(|| digest("handoff", n)),
            at: hours(2),
        };
        let facts = store.arrival_facts(ask).await.unwrap();
        p.arrivals.push((facts, store.link_facts(user_id(n), link).await.unwrap()));
        for at in [0, 3] {
            let facts = store.ask_facts(grant_id(n), digest("call", at / 2), hours(at)).await.unwrap();
            assert_eq!(facts.grant, store.grant_facts(grant_id(n), None, None).await.unwrap().grant);
            p.asked.push((facts.approvals, facts.open));
            let facts = store.personal_facts(user_id(n), hours(999 + at)).await.unwrap();
            assert_eq!(facts.user, store.user(user_id(n)).await.unwrap());
            p.personal.push((facts.client, facts.living));
        }
        p.each_client.push(store.client(client_id(n)).await.unwrap());
        let by_key = store.user_by_key(format!("person {n}")).await.unwrap();
        p.each_user.push((store.user(user_id(n)).await.unwrap(), by_key));
        for client in 0..FEW {
            let session = Some((session_id(n), digest("session", n)));
            let ask = BrowserAsk { client: Some(client_id(client)), session, ticket: None };
            let facts = store.browser_facts(ask).await.unwrap();
            assert_eq!(facts.has_users, !p.users.is_empty());
            assert_eq!(facts.client, store.client(client_id(client)).await.unwrap());
            p.sessions.push((facts.session, facts.grants));
        }
        let assertion = Some(digest("once", n));
        let facts = store.code_facts(code_id(n), client_id(n), assertion).await.unwrap();
        assert_eq!(facts.rev, p.cuts.0);
        p.codes.push((facts.code, facts.client, facts.user, facts.spent));
        let facts = store.grant_facts(grant_id(n), Some(client_id(n)), None).await.unwrap();
        assert_eq!(facts.rev, p.cuts.0);
        p.grants.push((facts.grant, facts.client, facts.user));
        for at in 0..2 {
            let facts = store.machine_facts(client_id(n), resource(at), assertion).await.unwrap();
            assert_eq!(facts.rev, p.cuts.0);
            p.machines.push(facts.grant);
            p.spent.push(facts.spent);
        }
        let facts = store.sign_in_facts(format!("person {n}"), digest("once", n)).await.unwrap();
        assert_eq!(facts.user, p.each_user[n as usize].1);
        p.spent.push(facts.spent);
        let facts = store.setup_facts(Some(link_number(n))).await.unwrap();
        p.links.push((facts.link, facts.user));
    }
    let mut queries = vec![
        AgentQuery { most: all, ..AgentQuery::default() },
        AgentQuery { most: all, ended: true, ..AgentQuery::default() },
        AgentQuery { most: 2, ended: true, ..AgentQuery::default() },
        AgentQuery { most: all, resource: Some(resource(1)), ..AgentQuery::default() },
    ];
    for n in 0..FEW {
        queries.push(AgentQuery { most: all, user: Some(user_id(n)), ..AgentQuery::default() });
        queries.push(AgentQuery {
            most: all,
            client: Some(client_id(n)),
            ended: true,
            ..AgentQuery::default()
        });
        queries.push(AgentQuery { most: 1, id: Some(grant_id(n)), ended: true, ..AgentQuery::default() });
    }
    for query in queries {
        let rows = store.agents(query).await.unwrap();
        p.agents.push(rows.into_iter().map(|row| (row.grant, row.client, row.user_name)).collect());
    }
    let mut queries = vec![
        ApprovalQuery { most: all, ..ApprovalQuery::default() },
        ApprovalQuery { most: 1, ..ApprovalQuery::default() },
        ApprovalQuery { most: all, open_at: Some(hours(3)), ..ApprovalQuery::default() },
    ];
    for n in 0..FEW {
        queries.push(ApprovalQuery { most: all, user: Some(user_id(n)), ..ApprovalQuery::default() });
        queries.push(ApprovalQuery { most: all, grant: Some(grant_id(n)), ..ApprovalQuery::default() });
        let row = store.approval(approval_id(n)).await.unwrap();
        if let Some(approval) = &row.approval {
            assert_eq!(row.grant, store.grant_facts(approval.grant, None, None).await.unwrap().grant);
            assert_eq!(row.user, store.user(approval.user).await.unwrap());
        }
        p.approvals.push(row.approval.into_iter().collect());
    }
    for query in queries {
        let rows = store.approvals(query).await.unwrap();
        p.approvals.push(rows.into_iter().filter_map(|row| row.approval).collect());
    }
    p
}
