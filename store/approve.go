package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"heed/consent"
)

// What a second person decides about those whom the cap of alerts holds back.
const (
	overApproved = "approved"
	overRefused  = "refused"
)

// approvedByTwo holds for whatever may start: a notice goes to people whatever
// they opted out of, so two people have to stand for it. It is asked in the
// statement that starts, whichever door that comes through.
const approvedByTwo = `(notice = '' AND kind <> 'policy_notice' OR (SELECT count(DISTINCT lower(staff)) FROM staff_act WHERE kind = 'notice_approved' AND about = campaign.id) >= 2)`

var errApproval = fmt.Errorf("%w: a notice needs two people who approve it; heed notice approve ID --by NAME --reason TEXT", ErrRefused)

// NeedsTwo tells whether two people have to stand for a campaign: it is a notice,
// which goes to people whatever they opted out of.
func (c Campaign) NeedsTwo() bool { return c.Class == consent.Legal || c.Class == consent.PolicyNotice }

// HeldAlert is an alert that some people have not got because they had as many
// as the cap allows.
type HeldAlert struct {
	Campaign
	Held int // people
}

const heldAlerts = ` FROM campaign c JOIN delivery d ON d.campaign = c.id WHERE c.class = 'alert' AND d.state = 'skipped' AND d.reason = 'capped'`

// HeldAlerts lists alerts that hold people back; undecided leaves out those
// about which a second person decided.
func (s *Store) HeldAlerts(ctx context.Context, undecided bool) (all []HeldAlert, err error) {
	query := `SELECT c.id, count(*)` + heldAlerts
	if undecided {
		query += ` AND c.over_cap = ''`
	}
	found, err := s.read.QueryContext(ctx, query+` GROUP BY c.id ORDER BY c.id`)
	if err != nil {
		return nil, fmt.Errorf("looking for alerts that are held: %w", err)
	}
	all, err = gather(found, func(row scanner) (h HeldAlert, err error) {
		err = row.Scan(&h.ID, &h.Held)
		return h, err
	})
	for i := range all {
		if err == nil {
			all[i].Campaign, err = s.Campaign(ctx, all[i].ID)
		}
	}
	return all, err
}

// ApproveAlert lets an alert out to those whom the cap held back. It takes
// another person than the one who sent it, and a reason; both are kept. Called
// again after it was cut short it goes on.
func (s *Store) ApproveAlert(ctx context.Context, id int64, by, reason string) (released int, err error) {
	err = s.inTx(ctx, "approving an alert", func(t *tx) error {
		return t.decideHeld(ctx, id, overApproved, StaffAct{Kind: ActAlertApproved, Staff: by, About: id, Said: reason})
	})
	if err != nil {
		return 0, err
	}
	return s.Resend(ctx, id, resendHeld)
}

// RefuseAlert decides that those whom the cap held back do not get an alert.
func (s *Store) RefuseAlert(ctx context.Context, id int64, by, reason string) error {
	return s.inTx(ctx, "refusing an alert", func(t *tx) error {
		return t.decideHeld(ctx, id, overRefused, StaffAct{Kind: ActAlertRefused, Staff: by, About: id, Said: reason})
	})
}

func (t *tx) decideHeld(ctx context.Context, id int64, decision string, a StaffAct) error {
	c, err := t.campaignToDecide(ctx, id)
	switch {
	case err != nil:
		return err
	case c.Class != consent.Alert:
		return fmt.Errorf("campaign %d is no alert: %w", id, ErrState)
	case strings.EqualFold(c.SentBy, a.Staff):
		return fmt.Errorf("%w: %s sent this alert, and it takes another person to decide about it", ErrRefused, a.Staff)
	case strings.TrimSpace(a.Said) == "":
		return fmt.Errorf("%w: it takes a reason, which is kept", ErrRefused)
	case c.OverCap == decision && decision == overApproved:
		return nil
	case c.OverCap == overApproved:
		return fmt.Errorf("alert %d is approved already: %w", id, ErrState)
	}
	held := 0
	if err := t.QueryRowContext(ctx, `SELECT count(*)`+heldAlerts+` AND c.id = $1`, id).Scan(&held); err != nil {
		return err
	}
	if held == 0 {
		return fmt.Errorf("alert %d holds nobody back: %w", id, ErrState)
	}
	if _, err := t.exec(ctx, `UPDATE campaign SET over_cap = $2 WHERE id = $1`, id, decision); err != nil {
		return err
	}
	if err := t.clearAlarm(ctx, AlarmAlertHeld, alertKey(id)); err != nil {
		return err
	}
	return t.noteAct(ctx, a)
}

func alertKey(id int64) string { return fmt.Sprintf("alert %d", id) }

func (t *tx) campaignToDecide(ctx context.Context, id int64) (Campaign, error) {
	c, err := scanCampaign(t.QueryRowContext(ctx, `SELECT `+campaignColumns+` FROM campaign WHERE id = $1`+t.s.d.forUpdate, id))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("campaign %d: %w", id, ErrNotFound)
	}
	return c, err
}

// HeldKeys names for the alarm the alerts about which nobody has decided.
func (s *Store) HeldKeys(ctx context.Context) (keys []string, err error) {
	all, err := s.HeldAlerts(ctx, true)
	for _, one := range all {
		keys = append(keys, alertKey(one.ID))
	}
	return keys, err
}

// ApproveNotice records that somebody stands for a notice. Two different people
// have to before it can start.
func (s *Store) ApproveNotice(ctx context.Context, id int64, by, reason string) (approvals int, err error) {
	err = s.inTx(ctx, "approving a notice", func(t *tx) error {
		c, err := t.campaignToDecide(ctx, id)
		switch {
		case err != nil:
			return err
		case !c.NeedsTwo():
			return fmt.Errorf("campaign %d is no notice: %w", id, ErrState)
		case c.State != "draft":
			return fmt.Errorf("the notice is %s: %w", c.State, ErrState)
		}
		found, err := t.texts(ctx, `SELECT staff FROM staff_act WHERE kind = $1 AND about = $2`, ActNoticeApproved, id)
		if err != nil {
			return err
		}
		for _, one := range found {
			if strings.EqualFold(one, by) {
				return fmt.Errorf("%w: %s has approved it already, and it takes two people", ErrRefused, by)
			}
		}
		approvals = len(found) + 1
		return t.noteAct(ctx, StaffAct{Kind: ActNoticeApproved, Staff: by, About: id, Said: reason})
	})
	return approvals, err
}

// Approvals lists who stands for a notice.
func (s *Store) Approvals(ctx context.Context, id int64) ([]StaffAct, error) {
	found, err := s.read.QueryContext(ctx, `SELECT `+actColumns+` FROM staff_act WHERE kind = $1 AND about = $2 ORDER BY id`, ActNoticeApproved, id)
	if err != nil {
		return nil, fmt.Errorf("reading who approved a notice: %w", err)
	}
	return gather(found, scanOnlyAct)
}
