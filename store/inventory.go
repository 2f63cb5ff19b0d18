package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// piece is one item of the inventory: a place that can hold a person, and how
// it lets go of them. An erasure does them in this order.
type piece struct {
	name  string
	what  string   // in words, for the certificate and the page on erasures
	holds []string // columns that name a person, as "table column column"; a test wants every column of the schema classified

	outside func(ctx context.Context, s *Store, e *erasure) error                        // first, outside any transaction
	erase   func(ctx context.Context, t *tx, e *erasure) (state, note string, err error) // with the note that it is done
}

func pieces() []piece {
	return []piece{
		{name: "flight", what: "messages under way get the relay's answer", outside: awaitAnswers},
		{name: "deliveries", what: "deliveries: what waited is skipped, what was sent forgets to whom", erase: eraseDeliveries},
		{name: "keys", what: "the person's key: whatever was sealed under it is unreadable, in every copy", outside: forgetHolders},
		{name: "evidence", what: "evidence of choices", holds: []string{"annex sealed"}, erase: byHolder(`DELETE FROM annex WHERE holder = $1 AND seq <= $2`, bySeq)},
		{name: "letters", what: "letters from us", holds: []string{"correspondence sealed"}, erase: eraseLetters},
		{name: "signups", what: "sign-ups that nobody has confirmed yet", holds: []string{"signup sealed"},
			erase: byPerson(`DELETE FROM signup WHERE address = $1 AND created <= $2`)},
		{name: "mails", what: "texts of mails to us", holds: []string{"mail_text sealed"}, erase: eraseMailTexts},
		{name: "cases", what: "what cases say of the person", holds: []string{"privacy_case email outcome", "case_event sealed"}, erase: eraseCases},
		{name: "told", what: "what partners and the product are told of the person", holds: []string{"outside_notice sealed"},
			erase: byPerson(`DELETE FROM outside_notice WHERE address = $1 AND created <= $2`)},
		{name: "shared", what: "which partners have the person's data", erase: byPerson(`DELETE FROM shared WHERE address = $1 AND since <= $2`)},
		{name: "checks", what: "questions whether the person uses a service", erase: byPerson(`DELETE FROM service_check WHERE address = $1 AND asked <= $2`)},
		{name: "external_ids", what: "external ids", holds: []string{"external_id id"}, erase: byPerson(`DELETE FROM external_id WHERE person IN (SELECT id FROM person WHERE address = $1 AND created <= $2)`)},
		{name: "services", what: "services held", erase: byPerson(`DELETE FROM holding WHERE person IN (SELECT id FROM person WHERE address = $1 AND created <= $2)`)},
		{name: "person", what: "address, name, company, language, time zone and attributes",
			holds: []string{"person email first_name last_name company language time_zone attrs"}, erase: byPerson(`DELETE FROM person WHERE address = $1 AND created <= $2`)},
		{name: "moves", what: "changes of address that were asked for", holds: []string{"address_change sealed"},
			erase: byHolder(`DELETE FROM address_change WHERE holder = $1`, bySeq)},
		{name: "copies", what: "links to copies of the data", erase: byPerson(`DELETE FROM report_link WHERE (address = $1 OR reader = $1) AND created <= $2`)},
		{name: "mailboxes", what: "mails in the folders of the mailboxes", erase: removeMails},
		{name: "links", what: "which of the mails read were the person's", erase: eraseLinks},
		{name: "files", what: "what was deleted leaves the files of the database", outside: settleFiles},
		{name: certificate, what: "the certificate; then the address that it went to, with the key of the case",
			holds: []string{"erasure sealed"}, outside: forgetCase, erase: eraseFarewell},
	}
}

const certificate = "certificate"

// planned are the items that every erasure begins with; the certificate is
// added when all else is answered.
func planned() []piece {
	all := pieces()
	return all[:len(all)-1]
}

// coded are the columns that hold an address key, a random id or a hash: they
// stay, and say nothing to whoever has not the pepper.
var coded = []string{
	"address key state", "person id subject address", "external_id person", "holding person",
	"ledger address subject evidence hash", "chain hash", "annex seq holder", "barrier seq",
	"campaign only_to", "delivery campaign address person", "claim campaign address", "retry campaign address",
	"privacy_case id address likeness", "tray inbound", "inbound id digest address caseno ledger", "correspondence id caseno inbound address holder",
	"mail_text inbound holder", "case_event caseno holder", "erasure caseno seq", "erasure_item caseno",
	"mail_removal inbound caseno digest", "proof once", "report_link caseno address reader", "address_change old new caseno holder",
	"address_link old new", "mail_optout seq inbound address", "case_subject caseno address",
	"journal_owed line", "system_notice id caseno",
	"api_key prefix digest", "api_answer name print sealed", "hook_event subject external", "provider_event digest",
	"staff_act address hash", "service_check address", "outside_notice id address about holder", "shared address",
	"transfer head", "transferred_limit key head",
	"signup id address letter", "signup_count network", "registration account address", "welcomed address",
}

// impersonal are the columns that hold nothing of a person: settings, states,
// times, counts, and what a sender wrote to everybody.
var impersonal = []string{
	"goose_db_version id version_id is_applied tstamp", "counter name value", "topic id slug name", "service id slug name",
	"person created updated shape", "shape id fields", "delivery_sum campaign state reason people returned", "holding service",
	"ledger seq scope choice received recorded via source policy policy_hash authenticated", "chain one seq",
	"barrier opened acked in_flight",
	"campaign id name class topic service state source audience alert_key rate created scheduled start_by started ended bound fan_cursor fanned note held pruned sent_by over_cap notice purpose policy kind",
	"delivery state reason job token attempts code status claimed end_at returned changed", "claim token worker at", "retry due",
	"job id queue kind state generation due campaign subject worker attempts note changed pace failures failing", "worker id place role capacity started beat",
	"warm_up name day step used", "pace_note worker name state rate ceiling cut at", "pace_clear name at",
	"mailbox name lease_owner lease_until seen role trouble trouble_since noted read_validity read_uid",
	"privacy_case kind state identity mailbox language received due confirm_until asked ended via opened assignee first_due answered extended last_asked reminded",
	"inbound mailbox validity uid received recorded kind outcome folder rules no_reply",
	"correspondence kind state created ended code", "case_event id at kind staff",
	"alarm id kind key raised cleared quiet", "alarm_told alarm way says at", "tray received", "policy_refusal id campaign at", "complaint campaign provider n fresh accepted",
	"erasure begun ended gone backups silent", "erasure_item place item state changed note",
	"mail_removal mailbox received state changed", "proof seen", "report_link id created until closed",
	"address_change id state created until old_clicked new_clicked ended", "address_link at", "mail_optout recorded proven undo_until undone batch forged",
	"api_key id name scopes test created expires used revoked", "api_answer api_key at", "webhook id state tries failing rest stopped",
	"hook_event id kind at body", "hook_message id webhook event state tries code changed", "provider_event at",
	"staff_act id at kind staff second about said", "disclosure id document authority asked_by approved_by created",
	"service_check id service state asked ended", "outside_notice kind party name state created asked tries ended", "shared partner since",
	"feed partner version built since built_at people", "transfer name signer at", "transferred_limit at",
	"journal_owed seq since", "system_notice system name state asked tries law until ended",
	"signup state created until ended", "signup_count hour n", "signup_wording hash wording created", "registration at", "welcomed topic at",
	"policy_version number id hash wording purposes material state posted effective ended",
}

func pieceCalled(name string) (piece, bool) {
	for _, one := range pieces() {
		if one.name == name {
			return one, true
		}
	}
	return piece{}, false
}

// bySeq bounds what an erasure covers by rows of the ledger.
func bySeq(e *erasure) int64 { return e.seq }

// byHolder runs a statement for each holder of keys.
func byHolder(query string, bound func(*erasure) int64) func(context.Context, *tx, *erasure) (string, string, error) {
	return func(ctx context.Context, t *tx, e *erasure) (string, string, error) {
		return t.each(ctx, e.holders, bound(e), query)
	}
}

// byPerson runs a statement for each address key.
func byPerson(query string) func(context.Context, *tx, *erasure) (string, string, error) {
	return func(ctx context.Context, t *tx, e *erasure) (string, string, error) {
		return t.each(ctx, e.keys, e.begun, query)
	}
}

// each runs statements for each name, and tells how many rows that were.
func (t *tx) each(ctx context.Context, names []string, bound int64, queries ...string) (state, note string, err error) {
	rows := int64(0)
	for _, name := range names {
		for _, query := range queries {
			args := []any{name, bound}
			if !strings.Contains(query, "$2") {
				args = args[:1]
			}
			n, err := t.exec(ctx, query, args...)
			if err != nil {
				return "", "", err
			}
			rows += n
		}
	}
	return "done", fmt.Sprintf("%d rows", rows), nil
}

func eraseDeliveries(ctx context.Context, t *tx, e *erasure) (state, note string, err error) {
	if err := t.betweenSteps(ctx); err != nil {
		return "", "", err
	}
	for _, key := range e.keys {
		if err := t.settleDeliveries(ctx, key); err != nil {
			return "", "", err
		}
	}
	return "done", "", nil
}

// eraseLetters drops what was written to the person; the jobs that would have
// sent what still waited find nothing.
func eraseLetters(ctx context.Context, t *tx, e *erasure) (state, note string, err error) {
	return t.each(ctx, e.holders, e.begun, `DELETE FROM correspondence WHERE (holder = $1 OR address = $1) AND created <= $2`) // the keys are holders too
}

func eraseMailTexts(ctx context.Context, t *tx, e *erasure) (state, note string, err error) {
	const texts = `holder = $1 AND inbound IN (SELECT id FROM inbound WHERE recorded <= $2)`
	if _, _, err := t.each(ctx, e.holders, e.begun, `DELETE FROM tray WHERE inbound IN (SELECT inbound FROM mail_text WHERE `+texts+`)`); err != nil {
		return "", "", err
	}
	return t.each(ctx, e.holders, e.begun, `DELETE FROM mail_text WHERE `+texts)
}

func eraseCases(ctx context.Context, t *tx, e *erasure) (state, note string, err error) {
	if _, _, err := t.each(ctx, e.keys, e.begun, `UPDATE case_event SET sealed = '' WHERE at <= $2 AND caseno IN (SELECT id FROM privacy_case WHERE address = $1)`); err != nil {
		return "", "", err
	}
	if state, note, err = t.each(ctx, e.keys, e.begun, `UPDATE privacy_case SET email = '', outcome = CASE WHEN outcome = 'erased' THEN outcome ELSE '' END
		WHERE address = $1 AND `+openedBy(2)); err != nil {
		return "", "", err
	}
	_, _, err = t.each(ctx, e.holders, e.begun, `UPDATE case_event SET sealed = '' WHERE holder = $1 AND at <= $2`)
	return state, note, err
}

// ofPerson are the mails that were the person's, or that a case of theirs is
// about.
const ofPerson = `(address = $1 OR caseno IN (SELECT id FROM privacy_case WHERE address = $1)) AND recorded <= $2`

// removeMails lists the mails for the pollers of their mailboxes.
func removeMails(ctx context.Context, t *tx, e *erasure) (state, note string, err error) {
	for _, key := range e.keys {
		if _, err := t.exec(ctx, `INSERT INTO mail_removal (inbound, caseno, mailbox, digest, received, state, changed)
			SELECT id, $3, mailbox, digest, received, 'due', $4 FROM inbound WHERE `+ofPerson+` ON CONFLICT DO NOTHING`,
			key, e.begun, e.caseNo, t.now.UnixMicro()); err != nil {
			return "", "", fmt.Errorf("listing mails: %w", err)
		}
	}
	return t.removals(ctx, e.caseNo)
}

func eraseLinks(ctx context.Context, t *tx, e *erasure) (state, note string, err error) {
	return t.each(ctx, e.keys, e.begun, `UPDATE inbound SET address = '' WHERE address = $1 AND recorded <= $2`)
}

func forgetHolders(ctx context.Context, s *Store, e *erasure) error {
	return s.keys.forget(ctx, e.holders...)
}

func forgetCase(ctx context.Context, s *Store, e *erasure) error {
	return s.keys.forget(ctx, caseHolder(e.caseNo))
}

// eraseFarewell drops what was needed until everybody had answered.
func eraseFarewell(ctx context.Context, t *tx, e *erasure) (state, note string, err error) {
	if _, err := t.exec(ctx, `UPDATE erasure SET sealed = '' WHERE caseno = $1`, e.caseNo); err != nil {
		return "", "", err
	}
	err = t.QueryRowContext(ctx, `SELECT note FROM erasure_item WHERE caseno = $1 AND item = $2`, e.caseNo, certificate).Scan(&note)
	if err != nil {
		return "", "", err
	}
	_, err = t.exec(ctx, `UPDATE correspondence SET sealed = '' WHERE holder = $1`, caseHolder(e.caseNo))
	return "done", note, err
}

// settleFiles rewrites the tables that named the person.
func settleFiles(ctx context.Context, s *Store, _ *erasure) error {
	var tables []string
	for _, one := range pieces() {
		for _, columns := range one.holds {
			table, _, _ := strings.Cut(columns, " ")
			tables = append(tables, table)
		}
	}
	slices.Sort(tables)
	return s.settle(ctx, slices.Compact(tables)...)
}

// Piece is an item of the inventory in words.
type Piece struct {
	Name, What string
	Columns    []string
}

// Inventory lists what an erasure works off, in its order.
func Inventory() []Piece {
	var all []Piece
	for _, one := range pieces() {
		all = append(all, Piece{one.name, one.what, one.holds})
	}
	return all
}
