// SPDX-License-Identifier: Apache-2.0
#include "rendezvous.h"

#include <algorithm>
#include <cerrno>

#include "clock.h"

namespace flexpie {

namespace {

constexpr size_t kMaxGuests = 64;
constexpr int64_t kRedialNs = int64_t{20} * 1000 * 1000;
/*! \brief How often cancelling and due dials are looked at. */
constexpr int64_t kTickNs = int64_t{20} * 1000 * 1000;

/*! \brief Reads on into a fixed number of bytes, never past them. */
IoResult ReadInto(const Link& link, HelloBytes* bytes, size_t* have) {
  const iovec rest{bytes->data() + *have, bytes->size() - *have};
  const IoResult result = link.Recv(&rest, 1);
  if (result.status == IoResult::Status::kMoved) *have += result.bytes;
  return result;
}

/*! \brief Says a hello; a fresh connection has room for 32 bytes, so a short write is a failure. */
bool Say(const Link& link, const Hello& hello) {
  HelloBytes bytes = Encode(hello);
  const iovec all{bytes.data(), bytes.size()};
  return link.Send(&all, 1).bytes == bytes.size();
}

}  // namespace

Rendezvous::Rendezvous(int rank, const Token& token, std::shared_ptr<const Tls> tls,
                       const std::vector<PeerAddress>& dials, const std::set<int>& awaited,
                       const Fd& listener, int64_t deadline_ns, const std::atomic<bool>* cancelled)
    : rank_(rank),
      token_(token),
      tls_(std::move(tls)),
      awaited_(awaited),
      listener_(listener),
      deadline_ns_(deadline_ns),
      end_ns_(NowNs() + deadline_ns),
      cancelled_(cancelled) {
  for (const PeerAddress& to : dials) {
    dials_.emplace_back();
    dials_.back().to = to;
    std::string error;
    dials_.back().addresses = Resolve(to.host, to.port, false, &error);
    if (dials_.back().addresses.empty()) {
      Throw(ErrorKind::kIo, At(to.rank), "cannot resolve \"" + to.host + "\": " + error);
    }
  }
}

std::map<int, Link> Rendezvous::Run() {
  while (!Done()) {
    CheckTime();
    DialDue();
    AcceptGuests();
    Poll();
    for (Dial& dial : dials_) StepDial(&dial);
    dials_.erase(
        std::remove_if(dials_.begin(), dials_.end(),
                       [this](const Dial& dial) { return connected_.count(dial.to.rank); }),
        dials_.end());
    for (size_t i = guests_.size(); i-- > 0;) {
      if (StepGuest(&guests_[i])) guests_.erase(guests_.begin() + i);
    }
  }
  return std::move(connected_);
}

void Rendezvous::CheckTime() const {
  if (*cancelled_) Throw(ErrorKind::kFailed, At(-1), "the board was closed while it connected");
  if (NowNs() < end_ns_) return;
  const std::string waited = " within " + std::to_string(deadline_ns_ / 1000000) + " ms";
  if (!dials_.empty()) {
    const Dial& dial = dials_.front();
    // While a dial is under way its system has said neither yes nor no.
    const bool unreached = dial.link.open() && !dial.connected;
    Throw(unreached ? ErrorKind::kUnreached : dial.ended, At(dial.to.rank),
          "no connection to board " + std::to_string(dial.to.rank) + " at " + dial.to.host + ":" +
              std::to_string(dial.to.port) + waited +
              (dial.trouble.empty() ? "" : "; last attempt: " + dial.trouble));
  }
  Throw(dropped_for_, At(*awaited_.begin()),
        "board " + std::to_string(*awaited_.begin()) + " did not connect" + waited +
            (dropped_.empty() ? "" : "; last one turned away: " + dropped_));
}

void Rendezvous::DialDue() {
  for (Dial& dial : dials_) {
    if (dial.link.open() || NowNs() < dial.due_ns) continue;
    dial.connected = false;
    dial.greeted = false;
    dial.answered = 0;
    dial.link = Link(StartConnect(dial.addresses[dial.next_address++ % dial.addresses.size()]),
                     tls_, Tls::End::kDials);
    if (!dial.link.open()) Redial(&dial, ErrnoText(errno));
  }
}

void Rendezvous::AcceptGuests() {
  while (!awaited_.empty()) {
    Guest guest;
    guest.link = Link(Accept(listener_), tls_, Tls::End::kAnswers);
    if (!guest.link.open()) {
      // Out of descriptors or memory: poll would report the same guest again and again.
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        Throw(ErrorKind::kIo, At(-1), "cannot accept connections: " + ErrnoText(errno));
      }
      return;
    }
    // The right peer says its hello at once and dials again if dropped: the oldest is the least
    // likely.
    if (guests_.size() == kMaxGuests) guests_.pop_front();
    guests_.push_back(std::move(guest));
  }
}

void Rendezvous::Poll() {
  polled_.clear();
  if (!awaited_.empty()) polled_.push_back({listener_.get(), POLLIN, 0});
  for (const Dial& dial : dials_) {
    if (dial.link.open()) polled_.push_back({dial.link.get(), Awaits(dial), 0});
  }
  for (const Guest& guest : guests_) {
    const short events = guest.shaken ? POLLIN : guest.link.awaits();
    polled_.push_back({guest.link.get(), events, 0});
  }
  ::poll(polled_.data(), polled_.size(), PollTimeoutMs(std::min(kTickNs, end_ns_ - NowNs())));
}

void Rendezvous::StepDial(Dial* dial) {
  if (!dial->link.open()) return;
  if (!dial->greeted) Greet(dial);
  if (dial->link.open() && dial->greeted) ReadAnswer(dial);
}

short Rendezvous::Awaits(const Dial& dial) const {
  if (!dial.connected) return POLLOUT;
  return dial.greeted ? POLLIN : dial.link.awaits();
}

void Rendezvous::Greet(Dial* dial) {
  if (!dial->connected) {
    pollfd writable{dial->link.get(), POLLOUT, 0};
    if (::poll(&writable, 1, 0) <= 0) return;
    const int error = ConnectError(dial->link.get());
    if (error != 0) return Redial(dial, ErrnoText(error));
    dial->connected = true;
  }
  const IoResult shaken = dial->link.Shake();
  if (shaken.status == IoResult::Status::kWouldBlock) return;
  if (shaken.status != IoResult::Status::kMoved) {
    return Redial(dial, dial->link.trouble(), ErrorKind::kUntrusted);
  }
  dial->greeted = Say(dial->link, HelloTo(dial->to.rank));
  if (!dial->greeted) Redial(dial, "the connection closed at once");
}

void Rendezvous::ReadAnswer(Dial* dial) {
  const IoResult result = ReadInto(dial->link, &dial->answer, &dial->answered);
  if (result.status == IoResult::Status::kWouldBlock) return;
  if (result.status != IoResult::Status::kMoved) {
    return Redial(dial, "it closed the connection instead of answering the hello",
                  ErrorKind::kHandshake);
  }
  if (dial->answered < kHelloBytes) return;
  Hello expected = HelloTo(rank_);
  expected.from = static_cast<uint32_t>(dial->to.rank);
  const std::string difference = Differs(dial->answer, expected);
  // TCP can connect a socket to itself while nobody listens at a port of the ephemeral range.
  if (dial->answer == Encode(HelloTo(dial->to.rank))) return Redial(dial, "nobody listens there");
  if (!difference.empty()) {
    Throw(ErrorKind::kHandshake, At(dial->to.rank),
          "whoever listens at " + dial->to.host + ":" + std::to_string(dial->to.port) +
              " is not board " + std::to_string(dial->to.rank) +
              " of this deployment: " + difference);
  }
  connected_[dial->to.rank] = std::move(dial->link);
}

void Rendezvous::Redial(Dial* dial, const std::string& trouble, ErrorKind ended) {
  dial->link.Close();
  dial->due_ns = NowNs() + kRedialNs;
  // A peer that gave up, because it could not trust this board, refuses all that comes after.
  if (dial->ended == ErrorKind::kUntrusted && ended == ErrorKind::kDeadline) return;
  dial->trouble = trouble;
  dial->ended = ended;
}

bool Rendezvous::StepGuest(Guest* guest) {
  if (!guest->shaken) {
    const IoResult shaken = guest->link.Shake();
    if (shaken.status == IoResult::Status::kWouldBlock) return false;
    guest->shaken = shaken.status == IoResult::Status::kMoved;
    if (!guest->shaken) return Drop(guest->link.trouble(), ErrorKind::kUntrusted);
  }
  const IoResult result = ReadInto(guest->link, &guest->hello, &guest->read);
  if (result.status == IoResult::Status::kWouldBlock) return false;
  if (result.status != IoResult::Status::kMoved) return true;
  if (guest->read < kHelloBytes) return false;
  const int claimed = static_cast<int>(ClaimedRank(guest->hello));
  Hello expected = HelloTo(rank_);
  expected.from = static_cast<uint32_t>(claimed);
  const std::string difference = Differs(guest->hello, expected);
  if (!difference.empty()) return Drop(difference, ErrorKind::kDeadline);
  if (!awaited_.count(claimed)) {
    return Drop("nobody waits for board " + std::to_string(claimed), ErrorKind::kDeadline);
  }
  if (!Say(guest->link, HelloTo(claimed))) return true;
  connected_[claimed] = std::move(guest->link);
  awaited_.erase(claimed);
  return true;
}

bool Rendezvous::Drop(const std::string& why, ErrorKind kind) {
  dropped_ = why;
  dropped_for_ = kind;
  return true;
}

Hello Rendezvous::HelloTo(int peer) const {
  return {kProtocolVersion, static_cast<uint32_t>(rank_), static_cast<uint32_t>(peer), token_};
}

ErrorPlace Rendezvous::At(int peer) const {
  ErrorPlace place;
  place.board = rank_;
  place.peer = peer;
  return place;
}

}  // namespace flexpie
