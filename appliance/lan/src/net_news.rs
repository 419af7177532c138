//! What the kernel tells of by itself: neighbours, links and addresses that change.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::channel::mpsc::UnboundedReceiver;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::SocketAddr;
use tokio::sync::{Notify, mpsc};

use crate::links::neighbour;
use crate::tracker::Neighbour;

/// Changes waiting to be read. More at once are a storm, after which everything is looked
/// at anew.
const QUEUE: usize = 256;

/// A change.
#[derive(Debug)]
pub(crate) enum News {
    /// At the interface with this index.
    Neighbour(u32, Neighbour),
    /// An interface, or an address of the box's own.
    Links,
}

/// Changes, in order as long as they are read fast enough.
#[derive(Debug)]
pub(crate) struct NetNews {
    pub news: mpsc::Receiver<News>,
    /// Some changes are missing.
    pub missed: Arc<Notify>,
}

/// Passes changes on. The library's queue has no bound, so it is emptied at once whether or
/// not anybody has time for them.
pub(crate) fn listen(
    mut messages: UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>,
) -> NetNews {
    let (sender, news) = mpsc::channel(QUEUE);
    let missed = Arc::new(Notify::new());
    let told = Arc::clone(&missed);
    tokio::spawn(async move {
        while let Some((message, _)) = messages.next().await {
            let change = match message.payload {
                NetlinkPayload::InnerMessage(inner) => match inner {
                    RouteNetlinkMessage::NewNeighbour(message) => neighbour(&message)
                        .map(|neighbour| News::Neighbour(message.header.ifindex, neighbour)),
                    RouteNetlinkMessage::NewLink(_)
                    | RouteNetlinkMessage::DelLink(_)
                    | RouteNetlinkMessage::NewAddress(_)
                    | RouteNetlinkMessage::DelAddress(_) => Some(News::Links),
                    _ => None,
                },
                // The kernel had to drop some.
                NetlinkPayload::Overrun(_) | NetlinkPayload::Error(_) => {
                    told.notify_one();
                    None
                }
                _ => None,
            };
            match change.map(|change| sender.try_send(change)) {
                Some(Err(mpsc::error::TrySendError::Full(_))) => told.notify_one(),
                Some(Err(mpsc::error::TrySendError::Closed(_))) => return,
                Some(Ok(())) | None => {}
            }
        }
    });
    NetNews { news, missed }
}
