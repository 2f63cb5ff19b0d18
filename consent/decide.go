package consent

// Decide is the decision: may this person be sent this message? The empty
// reason means yes. It is the only place where the answer is made; everybody
// who counts, sends or explains asks here.
//
// The order of the checks is the order in which reasons are told: what lasts
// longest first, so that somebody erased is never said to have opted out.
func Decide(p Person, m Message, policy Policy) Reason {
	s := p.State
	switch {
	case s.Erased != 0:
		return Erased
	case s.Restricted != 0:
		return Restricted
	case s.Dead != 0:
		return DeadAddress
	}
	switch m.Class {
	case Newsletter:
		return decideMarketing(p, s.topic(m.Topic), m, policy)
	case PartnerOffer:
		return decideMarketing(p, s.Partner, m, policy)
	case Alert:
		return decideAlert(p, m, policy)
	case ConsentRequest:
		return decideAsk(p, m)
	case PolicyNotice:
		return once(p)
	case Registration, Legal, Correspondence:
		return ""
	}
	return PolicyReason // a class that nobody taught us is never sent
}

func decideMarketing(p Person, mark Mark, m Message, policy Policy) Reason {
	s := p.State
	refused := mark.Choice == Out || s.Marketing.Choice == Out && mark.Choice != In
	switch {
	case refused && s.Suppressed != 0:
		return Suppressed
	case refused:
		return OptedOut
	case s.Hold != 0, s.Paused(p.At):
		return OnHold
	case mark.Choice != In:
		return NoConsent
	case !policy.covers(mark.Policy, m.Purpose):
		return PolicyReason
	}
	return ""
}

func decideAlert(p Person, m Message, policy Policy) Reason {
	switch {
	case !p.Holds:
		return NoConsent
	case !m.Approved && policy.AlertCap > 0 && p.Received >= policy.AlertCap:
		return Capped
	}
	return ""
}

// topic is the choice that counts for a topic: the one made for it, or, for
// whoever never chose topics, the one made for all marketing.
func (s State) topic(id int) Mark {
	if mark, chosen := s.Topics[id]; chosen {
		return mark
	}
	if len(s.Topics) == 0 {
		return s.Marketing
	}
	return Mark{}
}

// Consent gives the choice that a message of this kind rests on, for the line
// that tells the reader why they get it.
func (s State) Consent(m Message) Mark {
	if m.Class == PartnerOffer {
		return s.Partner
	}
	return s.topic(m.Topic)
}

// Shares tells whether a partner may be given this person's data: only on their
// own yes, and not while anything stands against it.
func (s State) Shares() bool {
	return s.Sharing.Choice == In && s.Hold == 0 && s.Restricted == 0 && s.Dead == 0 && s.Erased == 0 && s.Suppressed == 0
}

// OneClickScope is what a click in a newsletter of this topic stops: the
// topic, and all marketing for whoever never chose topics.
func (s State) OneClickScope(topic int) Scope {
	if topic == 0 || len(s.Topics) == 0 {
		return ScopeMarketing
	}
	return TopicScope(topic)
}
