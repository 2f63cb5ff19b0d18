package main

// cli is the tree of commands; heed COMMAND --help explains each.
type cli struct {
	settingFlags

	Demo      demoCommand      `cmd:"" help:"Tell the whole story on this machine; nothing leaves it."`
	Init      initCommand      `cmd:"" help:"Write a configuration, make the keys and print the DNS records to publish."`
	Serve     serveCommand     `cmd:"" help:"Run everything in one process: web, worker, inbox and scheduler."`
	Web       webCommand       `cmd:"" help:"Run only the web process."`
	Worker    workerCommand    `cmd:"" help:"Run only the worker process."`
	Inbox     inboxCommand     `cmd:"" help:"Run only the inbox process."`
	Scheduler schedulerCommand `cmd:"" help:"Run only the scheduler process."`
	Migrate   migrateCommand   `cmd:"" help:"Bring the database up to date."`

	Contact  contactCommand  `cmd:"" help:"People: import, export, show, optout."`
	Suppress suppressCommand `cmd:"" help:"Addresses that are not written to: import, export, forged floods."`
	Topic    topicCommand    `cmd:"" help:"Topics that people choose from."`
	SignUp   signUpCommand   `cmd:"" name:"signup" help:"The form by which people sign up: form."`
	Policy   policyCommand   `cmd:"" help:"Versions of the policy: publish, list, show, withdraw."`
	Campaign campaignCommand `cmd:"" help:"Newsletters and partner offers, from the file to the results."`
	Alert    alertCommand    `cmd:"" help:"Service alerts."`
	Notice   noticeCommand   `cmd:"" help:"Notices that the law wants, or of a sale: new, approve, send, list."`
	Service  serviceCommand  `cmd:"" help:"Services that people use: list, checks, check."`

	Explain  explainCommand    `cmd:"" help:"Tell all that is known of one address, and why it got what."`
	Consent  consentCommand    `cmd:"" help:"What can be proven of what people agreed to: proof."`
	Case     caseCommand       `cmd:"" help:"Privacy requests and what a person must look at."`
	Register registerCommand   `cmd:"" help:"Who else gets people's data."`
	Sharing  sharingCommand    `cmd:"" help:"What partners are given of those who agreed: feed, status, acknowledge."`
	Disclose disclosureCommand `cmd:"" name:"disclosure" help:"Documents by which an authority is given data: add, list."`
	Figures  figuresCommand    `cmd:"" help:"Counts that may be shown to anybody."`
	Transfer transferCommand   `cmd:"" help:"What goes to whoever takes the business over: export, import."`
	Acts     actsCommand       `cmd:"" help:"What staff did that has to be accounted for."`
	Tray     trayCommand       `cmd:"" help:"Mail that asks for nothing: list, show, case, clear."`
	Retain   retentionCommand  `cmd:"" name:"retention" help:"How long what is kept of people stays: run."`
	Pace     paceCommand       `cmd:"" help:"Relays and limits: show, clear."`
	Job      jobCommand        `cmd:"" help:"Work that fails again and again: list, retry, drop."`
	Alarms   alarmCommand      `cmd:"" name:"alarm" help:"What the operator must know at once: list, test."`
	Backup   backupCommand     `cmd:"" help:"Copy the database into a file while everything goes on."`
	Restore  restoreCommand    `cmd:"" help:"Put a backup in the place of the database."`
	Verify   verifyCommand     `cmd:"" help:"Check the promises on the live database."`
	Doctor   doctorCommand     `cmd:"" help:"Ask every server of the configuration, and send a mail to itself."`
	Mail     mailCommand       `cmd:"" help:"Say what mails ask for, without doing it."`

	Key     keyCommand     `cmd:"" help:"Keys of the links and signatures: list, rotate."`
	Webhook webhookCommand `cmd:"" help:"Servers that are told of what happens: list, test, enable, replay."`
	Token   tokenCommand   `cmd:"" help:"Keys of programs for the HTTP API: create, list, revoke."`
	API     apiCommand     `cmd:"" name:"api" help:"The HTTP API: describe."`
	Conf    configCommand  `cmd:"" name:"config" help:"The configuration: print, example, check."`
	Version versionCommand `cmd:"" help:"Tell the version."`
}

// output is the flag of every command that prints data.
type output struct {
	JSON bool `name:"json" help:"Print JSON: an object, or one a line; errors too."`
}
