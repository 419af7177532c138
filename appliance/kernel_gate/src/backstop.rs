//! The second layer: IPv4 that the rules have not marked has no way in.
//!
//! The kernel asks its routing rules (ip-rule(8)) where each packet goes that it has not seen
//! before. These rules send it on if it is the box's own, comes from a port that is not gated,
//! or carries the mark that only the gate's rules write; everything else falls into a black
//! hole. So when somebody flushes nftables, packets from cameras are not let in unchecked but
//! not at all, and neither is anything from a port that nobody named: one that was renamed,
//! or plugged in later. IPv6 is off on this box.
//!
//! What they do not stop, while the rules are gone: packets of connections that were open
//! before (the kernel remembers their way: admitted cameras go on), and datagrams to
//! 255.255.255.255 or to a multicast group the box has joined, which take no such look-up.
//! [`KernelGate::keep`](crate::KernelGate::keep) puts the rules back within milliseconds.

use futures::TryStreamExt;
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::{Handle, IpVersion};

use crate::KernelGateError;
use crate::ruleset::PASSED_MARK;

/// The kernel's table of the box's own addresses (`RT_TABLE_LOCAL`).
const LOCAL_TABLE: u8 = 255;
/// Where the ways in continue. The kernel's own rule for the local table is at 0, before
/// which nothing can stand: it moves here.
const CONTINUE: u32 = 100;
/// The first of our rules.
const FIRST: u32 = 10;
/// The last one: the black hole.
const LAST: u32 = 99;

/// The routing rules that stand behind the gate's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backstop {
    open: Vec<String>,
}

impl Backstop {
    /// Lets in what comes from these ports, the owner's; of all others only what the gate has
    /// marked. Ports that cameras share with the owner's network are not among them.
    pub fn new(open: &[String]) -> Self {
        let mut open = open.to_vec();
        open.insert(0, "lo".to_owned());
        Self { open }
    }

    /// Puts the rules in force where they are not; true if so.
    ///
    /// # Errors
    /// The kernel's routing rules can't be read or set.
    pub(crate) async fn set(&self) -> Result<bool, KernelGateError> {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(KernelGateError::Netlink)?;
        let connection = tokio::spawn(connection);
        let result = self.set_with(&handle).await;
        connection.abort();
        result.map_err(KernelGateError::Backstop)
    }

    async fn set_with(&self, handle: &Handle) -> Result<bool, rtnetlink::Error> {
        let present: Vec<Rule> = rules(handle).await?.iter().map(Rule::of).collect();
        let mut changed = false;
        // In this order there is no moment without a way to the box's own addresses.
        for rule in self.wanted() {
            if !present.contains(&rule) {
                add(handle, &rule).await?;
                changed = true;
            }
        }
        for message in rules(handle).await? {
            let rule = Rule::of(&message);
            let is_before = rule.priority < CONTINUE;
            if is_before && !self.wanted().contains(&rule) {
                handle.rule().del(message).execute().await?;
                changed = true;
            }
        }
        Ok(changed)
    }

    fn wanted(&self) -> Vec<Rule> {
        let go_on = |priority, from| Rule {
            priority,
            from,
            action: RuleAction::Goto,
        };
        let mut rules = vec![Rule {
            priority: CONTINUE,
            from: From::Anywhere,
            action: RuleAction::ToTable,
        }];
        rules.extend(
            (FIRST + 1..)
                .zip(&self.open)
                .map(|(priority, port)| go_on(priority, From::Port(port.clone()))),
        );
        rules.push(go_on(FIRST, From::Gate));
        rules.push(Rule {
            priority: LAST,
            from: From::Anywhere,
            action: RuleAction::Blackhole,
        });
        rules
    }
}

/// What a rule is about, as far as ours go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Anywhere,
    Port(String),
    /// Packets with the gate's mark.
    Gate,
    /// None of ours.
    Else,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    priority: u32,
    from: From,
    action: RuleAction,
}

impl Rule {
    fn of(message: &RuleMessage) -> Self {
        let mut rule = Self {
            priority: 0,
            from: From::Anywhere,
            action: message.header.action,
        };
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(priority) => rule.priority = *priority,
                RuleAttribute::Iifname(name) => rule.from = From::Port(name.clone()),
                RuleAttribute::FwMark(PASSED_MARK) => rule.from = From::Gate,
                RuleAttribute::FwMark(_)
                | RuleAttribute::Source(_)
                | RuleAttribute::Destination(_) => {
                    rule.from = From::Else;
                }
                _ => {}
            }
        }
        rule
    }
}

async fn rules(handle: &Handle) -> Result<Vec<RuleMessage>, rtnetlink::Error> {
    handle
        .rule()
        .get(IpVersion::V4)
        .execute()
        .try_collect()
        .await
}

async fn add(handle: &Handle, rule: &Rule) -> Result<(), rtnetlink::Error> {
    let request = handle
        .rule()
        .add()
        .v4()
        .priority(rule.priority)
        .action(rule.action);
    let mut request = match &rule.from {
        From::Port(name) => request.input_interface(name.clone()),
        From::Gate => request.fw_mark(PASSED_MARK),
        From::Anywhere | From::Else => request,
    };
    let message = request.message_mut();
    match rule.action {
        RuleAction::ToTable => message.header.table = LOCAL_TABLE,
        RuleAction::Goto => {
            message.header.table = 0;
            message.attributes.push(RuleAttribute::Goto(CONTINUE));
        }
        _ => message.header.table = 0,
    }
    request.execute().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_falls_into_the_black_hole() {
        let wanted = Backstop::new(&["lan0".to_owned()]).wanted();
        let text: Vec<String> = wanted
            .iter()
            .map(|rule| format!("{} {:?} {:?}", rule.priority, rule.from, rule.action))
            .collect();
        assert_eq!(
            text,
            [
                "100 Anywhere ToTable",
                "11 Port(\"lo\") Goto",
                "12 Port(\"lan0\") Goto",
                "10 Gate Goto",
                "99 Anywhere Blackhole",
            ]
        );
    }
}
