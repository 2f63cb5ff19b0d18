package worker

import (
	"cmp"
	"errors"
	"fmt"

	"heed/consent"
	"heed/mailer"
)

// blame tells a mailbox that does not exist (RFC 3463 §3.2), which is counted
// against its address, from a refusal that lies with us, which is counted
// against the campaign and never against the person.
func (p *passage) blame(r mailer.Result) step {
	if r.Code == 0 {
		return goOn
	}
	said := consent.Refusal{Status: r.Enhanced, Words: fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text), Step: steps[r.Stage]}
	switch {
	case said.Policy():
		return p.policyRefused(p.said(r.Enhanced))
	case said.Hard():
		if err := p.w.Store.Strike(p.w.hard, p.letter.Address); err != nil {
			p.w.Log.Error("strike_failed", "error", err)
		}
	}
	return goOn
}

// said names the relay beside the code where there are several: one of them may
// be listed somewhere, and the others not.
func (p *passage) said(status string) string {
	if len(p.w.relays.all) > 1 && p.lane.relay != nil {
		return fmt.Sprintf("%s by the relay %s", cmp.Or(status, "no code"), p.lane.relay.Name)
	}
	return status
}

var steps = map[mailer.Stage]consent.Step{mailer.StageMail: consent.StepMail, mailer.StageRcpt: consent.StepRcpt,
	mailer.StageData: consent.StepData, mailer.StageEnd: consent.StepData}

// policyRefused ends the batch once the campaign is paused: a relay that
// refuses the recipient does so before the claim, which would have said so.
func (p *passage) policyRefused(status string) step {
	paused, err := p.w.Store.PolicyRefused(p.w.hard, p.c.ID, status)
	if paused {
		p.w.Log.Warn("campaign_paused", "campaign", p.c.ID)
	}
	c, looked := p.w.Store.Campaign(p.w.hard, p.c.ID)
	if err = errors.Join(err, looked); err != nil {
		p.w.Log.Error("policy_refusal_failed", "error", err)
		return goOn
	}
	if c.State != "sending" {
		return stopBatch
	}
	return goOn
}
