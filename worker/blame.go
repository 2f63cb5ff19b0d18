package worker

import (
	"fmt"

	"heed/consent"
	"heed/mailer"
)

// blame tells a mailbox that does not exist (RFC 3463 §3.2), which is counted
// against its address, from a refusal that lies with us, which is counted
// against the campaign and never against the person.
func (p *passage) blame(r mailer.Result) {
	if r.Code == 0 {
		return
	}
	said := consent.Refusal{Status: r.Enhanced, Words: fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text), Step: steps[r.Stage]}
	switch {
	case said.Policy():
		p.policyRefused(r.Enhanced)
	case said.Hard():
		if err := p.w.Store.Strike(p.w.hard, p.letter.Address); err != nil {
			p.w.Log.Error("strike_failed", "error", err)
		}
	}
}

var steps = map[mailer.Stage]consent.Step{mailer.StageMail: consent.StepMail, mailer.StageRcpt: consent.StepRcpt,
	mailer.StageData: consent.StepData, mailer.StageEnd: consent.StepData}

func (p *passage) policyRefused(status string) {
	paused, err := p.w.Store.PolicyRefused(p.w.hard, p.c.ID, status)
	if err != nil {
		p.w.Log.Error("policy_refusal_failed", "error", err)
	}
	if paused {
		p.w.Log.Warn("campaign_paused", "campaign", p.c.ID)
	}
}
