package mailer

import "time"

// Outcome is what became of one message. There is exactly one for each Send.
type Outcome string

// The outcomes of [Conn.Send].
const (
	Accepted  Outcome = "accepted"  // the relay took it: 2yz after the end
	Rejected  Outcome = "rejected"  // 5yz, or it could never be sent as it is
	Deferred  Outcome = "deferred"  // 4yz, or the connection failed before the end was written
	GivenBack Outcome = "givenback" // nothing was completed, for a reason of ours; may be tried again at once
	Skipped   Outcome = "skipped"   // the claim said no; nothing was completed
	Uncertain Outcome = "uncertain" // the end was written and no clear answer came
)

// Stage is the step of the conversation that decided a result.
type Stage string

// The stages, in order. StageNone is before anything was written.
const (
	StageNone  Stage = ""
	StageMail  Stage = "MAIL"
	StageRcpt  Stage = "RCPT"
	StageData  Stage = "DATA" // DATA or BDAT, and the text of the message
	StageClaim Stage = "CLAIM"
	StageEnd   Stage = "END"
)

// Result tells what became of one message.
type Result struct {
	Outcome  Outcome
	Stage    Stage     // where it was decided
	Code     int       // the deciding reply, 0 where there was none
	Enhanced string    // RFC 3463 status such as "5.1.1", empty where there was none
	Text     string    // the relay's words with addresses removed; for local display only
	EndAt    time.Time // wall time just after the end was written; zero when it was not
	Alive    bool      // the connection can carry another message
	Err      error     // what failed on our side or on the wire, nil for a plain reply
}
