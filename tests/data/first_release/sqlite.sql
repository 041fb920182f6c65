BEGIN TRANSACTION;
CREATE TABLE clicks (
	offer_id INTEGER NOT NULL, 
	clicked_at DATETIME, 
	load_id INTEGER NOT NULL, 
	PRIMARY KEY (offer_id), 
	FOREIGN KEY(offer_id) REFERENCES offers (offer_id), 
	FOREIGN KEY(load_id) REFERENCES loads (id)
);
INSERT INTO "clicks" VALUES(810000143,'2021-04-04 08:14:36.679000',1);
INSERT INTO "clicks" VALUES(810000311,'2021-03-26 05:37:55.702000',1);
INSERT INTO "clicks" VALUES(810000314,'2021-03-28 04:00:34.588000',1);
INSERT INTO "clicks" VALUES(810000368,'2021-03-26 12:45:43.605000',1);
INSERT INTO "clicks" VALUES(810000429,'2021-03-24 13:19:13.129000',1);
INSERT INTO "clicks" VALUES(810000529,'2021-03-23 07:30:16.809000',1);
CREATE TABLE database_info (
	id VARCHAR NOT NULL, 
	schema_version INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "database_info" VALUES('bd7eef5b-fa88-496a-81f4-18f04ecb9d5b',1,'2026-11-21 11:33:26.243127');
CREATE TABLE leads (
	lead_uuid VARCHAR NOT NULL, 
	requested DOUBLE, 
	loan_purpose VARCHAR, 
	credit VARCHAR, 
	annual_income DOUBLE, 
	load_id INTEGER NOT NULL, 
	PRIMARY KEY (lead_uuid), 
	FOREIGN KEY(load_id) REFERENCES loads (id)
);
INSERT INTO "leads" VALUES('2b6275a4-0b1f-4eaf-804b-9772b056bfdd',250.0,'debt_consolidation','poor',57600.0,1);
INSERT INTO "leads" VALUES('8989e885-cead-46fa-a763-ea9679431120',8000.0,'debt_consolidation','excellent',33600.0,1);
INSERT INTO "leads" VALUES('85489439-e523-4dce-88b8-8ce61dbaa0f9',1000.0,'debt_consolidation','poor',31200.0,1);
INSERT INTO "leads" VALUES('a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2',300.0,'debt_consolidation','fair',34200.0,1);
INSERT INTO "leads" VALUES('2c050c6c-84c7-44a0-b4cd-297361350f9d',20000.0,'debt_consolidation','good',54600.0,1);
INSERT INTO "leads" VALUES('2e785a80-028c-423f-ab28-4e4c21e575c5',850.0,'debt_consolidation','poor',34800.0,1);
INSERT INTO "leads" VALUES('17b4b298-495a-4bf6-b281-46b4b448e75a',1500.0,'debt_consolidation','poor',20400.0,1);
INSERT INTO "leads" VALUES('c9fb96d8-75ed-407b-89d0-fceb46b8b672',13000.0,'debt_consolidation','poor',99600.0,1);
INSERT INTO "leads" VALUES('bbce774a-3a74-4a68-9fbd-e73796281dcc',2000.0,'debt_consolidation','poor',39600.0,1);
INSERT INTO "leads" VALUES('9b8d4078-5a9a-47ff-88c5-89083e7a76bd',700.0,'debt_consolidation','poor',18600.0,1);
INSERT INTO "leads" VALUES('07a352ff-4faa-447a-9958-ce27d47a637b',850.0,'debt_consolidation','poor',22800.0,1);
INSERT INTO "leads" VALUES('7d11bbbf-ee09-4712-830b-30393ec40b22',350.0,'debt_consolidation','poor',37800.0,1);
INSERT INTO "leads" VALUES('6eb7a189-dff7-47d7-b963-0e1d71111a4b',2500.0,'debt_consolidation','poor',49200.0,1);
INSERT INTO "leads" VALUES('3c7cc4a5-c1b3-4f75-b413-33223d20c874',1000.0,'other','poor',18600.0,1);
INSERT INTO "leads" VALUES('698996fe-d887-45d3-adfb-2cb7ccb6609f',7500.0,'debt_consolidation','fair',60000.0,1);
INSERT INTO "leads" VALUES('0828cc68-7c28-4a2e-9598-98bc5f2cbaa2',550.0,'credit_card_refi','poor',18000.0,1);
INSERT INTO "leads" VALUES('feeafa74-6b7a-4139-9277-df0fcafc83d7',550.0,'debt_consolidation','poor',24000.0,1);
INSERT INTO "leads" VALUES('0fb47c68-104a-4367-8066-67af9ddaef54',700.0,'wedding','fair',64200.0,1);
INSERT INTO "leads" VALUES('7ee42e4e-6b37-4eac-8743-60e2f3b62bf9',2000.0,'debt_consolidation','fair',98400.0,1);
INSERT INTO "leads" VALUES('6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba',1500.0,'debt_consolidation','fair',40200.0,1);
INSERT INTO "leads" VALUES('157479e3-46ce-49f2-b9f5-674b4193b4c8',8500.0,'debt_consolidation','good',43800.0,1);
INSERT INTO "leads" VALUES('4a2f25f4-4821-4d17-af71-82ee702e85ad',450.0,'debt_consolidation','poor',67800.0,1);
INSERT INTO "leads" VALUES('e308106c-7a58-4d23-8ccb-97dacd73c230',1000.0,'debt_consolidation','poor',21000.0,1);
INSERT INTO "leads" VALUES('21acfe50-13b4-4a42-bc74-278d71f14bba',6500.0,'debt_consolidation','poor',41400.0,1);
INSERT INTO "leads" VALUES('34ad26dd-43ae-4a5a-a143-b36bf7840380',1000.0,'debt_consolidation','poor',40200.0,1);
CREATE TABLE loads (
	id INTEGER NOT NULL, 
	problem VARCHAR NOT NULL, 
	source VARCHAR NOT NULL, 
	loaded_at DATETIME NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "loads" VALUES(1,'offer_click','/home/lender/source','2026-11-21 11:33:26.244675');
CREATE TABLE model_versions (
	model_id VARCHAR NOT NULL, 
	logged_model_id VARCHAR NOT NULL, 
	registry VARCHAR NOT NULL, 
	decision_threshold DOUBLE NOT NULL, 
	first_used_at DATETIME NOT NULL, 
	PRIMARY KEY (model_id), 
	UNIQUE (logged_model_id)
);
INSERT INTO "model_versions" VALUES('offer-click/1','m-d735406f913443a69e00449eafa61d34','sqlite:////home/lender/mlflow.db',4.2310825036742771843e-02,'2026-11-21 11:33:28.816755');
CREATE TABLE offers (
	offer_id INTEGER NOT NULL, 
	lead_uuid VARCHAR NOT NULL, 
	apr DOUBLE, 
	lender_id BIGINT, 
	load_id INTEGER NOT NULL, 
	PRIMARY KEY (offer_id), 
	FOREIGN KEY(lead_uuid) REFERENCES leads (lead_uuid), 
	FOREIGN KEY(load_id) REFERENCES loads (id)
);
INSERT INTO "offers" VALUES(810000011,'2b6275a4-0b1f-4eaf-804b-9772b056bfdd',241.34,1103,1);
INSERT INTO "offers" VALUES(810000024,'2b6275a4-0b1f-4eaf-804b-9772b056bfdd',159.0,1103,1);
INSERT INTO "offers" VALUES(810000037,'2b6275a4-0b1f-4eaf-804b-9772b056bfdd',149.0,1777,1);
INSERT INTO "offers" VALUES(810000045,'2b6275a4-0b1f-4eaf-804b-9772b056bfdd',124.52,1103,1);
INSERT INTO "offers" VALUES(810000046,'8989e885-cead-46fa-a763-ea9679431120',23.42,1065,1);
INSERT INTO "offers" VALUES(810000048,'8989e885-cead-46fa-a763-ea9679431120',35.76,327,1);
INSERT INTO "offers" VALUES(810000057,'8989e885-cead-46fa-a763-ea9679431120',16.68,240,1);
INSERT INTO "offers" VALUES(810000062,'85489439-e523-4dce-88b8-8ce61dbaa0f9',159.0,1777,1);
INSERT INTO "offers" VALUES(810000069,'85489439-e523-4dce-88b8-8ce61dbaa0f9',21.35,621,1);
INSERT INTO "offers" VALUES(810000076,'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2',159.0,1103,1);
INSERT INTO "offers" VALUES(810000088,'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2',171.74,1777,1);
INSERT INTO "offers" VALUES(810000093,'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2',17.45,958,1);
INSERT INTO "offers" VALUES(810000106,'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2',149.0,1103,1);
INSERT INTO "offers" VALUES(810000108,'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2',34.58,240,1);
INSERT INTO "offers" VALUES(810000120,'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2',145.55,1390,1);
INSERT INTO "offers" VALUES(810000131,'a9f4d28a-1cc1-4b5a-a7f9-5a4c81d71ec2',26.58,621,1);
INSERT INTO "offers" VALUES(810000143,'2c050c6c-84c7-44a0-b4cd-297361350f9d',24.77,327,1);
INSERT INTO "offers" VALUES(810000146,'2c050c6c-84c7-44a0-b4cd-297361350f9d',12.8,327,1);
INSERT INTO "offers" VALUES(810000159,'2e785a80-028c-423f-ab28-4e4c21e575c5',172.24,1777,1);
INSERT INTO "offers" VALUES(810000167,'2e785a80-028c-423f-ab28-4e4c21e575c5',32.8,2042,1);
INSERT INTO "offers" VALUES(810000173,'2e785a80-028c-423f-ab28-4e4c21e575c5',199.2,1390,1);
INSERT INTO "offers" VALUES(810000177,'2e785a80-028c-423f-ab28-4e4c21e575c5',159.0,1777,1);
INSERT INTO "offers" VALUES(810000180,'17b4b298-495a-4bf6-b281-46b4b448e75a',149.0,1103,1);
INSERT INTO "offers" VALUES(810000183,'17b4b298-495a-4bf6-b281-46b4b448e75a',177.65,1103,1);
INSERT INTO "offers" VALUES(810000195,'c9fb96d8-75ed-407b-89d0-fceb46b8b672',159.0,1777,1);
INSERT INTO "offers" VALUES(810000202,'c9fb96d8-75ed-407b-89d0-fceb46b8b672',159.0,1103,1);
INSERT INTO "offers" VALUES(810000214,'c9fb96d8-75ed-407b-89d0-fceb46b8b672',159.0,1103,1);
INSERT INTO "offers" VALUES(810000221,'c9fb96d8-75ed-407b-89d0-fceb46b8b672',149.0,1103,1);
INSERT INTO "offers" VALUES(810000229,'c9fb96d8-75ed-407b-89d0-fceb46b8b672',106.56,1103,1);
INSERT INTO "offers" VALUES(810000232,'c9fb96d8-75ed-407b-89d0-fceb46b8b672',159.0,1777,1);
INSERT INTO "offers" VALUES(810000237,'c9fb96d8-75ed-407b-89d0-fceb46b8b672',249.0,1103,1);
INSERT INTO "offers" VALUES(810000249,'bbce774a-3a74-4a68-9fbd-e73796281dcc',31.28,2042,1);
INSERT INTO "offers" VALUES(810000260,'9b8d4078-5a9a-47ff-88c5-89083e7a76bd',199.0,1103,1);
INSERT INTO "offers" VALUES(810000272,'07a352ff-4faa-447a-9958-ce27d47a637b',225.2,1390,1);
INSERT INTO "offers" VALUES(810000284,'07a352ff-4faa-447a-9958-ce27d47a637b',149.0,1390,1);
INSERT INTO "offers" VALUES(810000285,'07a352ff-4faa-447a-9958-ce27d47a637b',110.75,1103,1);
INSERT INTO "offers" VALUES(810000298,'7d11bbbf-ee09-4712-830b-30393ec40b22',102.42,1390,1);
INSERT INTO "offers" VALUES(810000306,'7d11bbbf-ee09-4712-830b-30393ec40b22',159.0,1777,1);
INSERT INTO "offers" VALUES(810000311,'7d11bbbf-ee09-4712-830b-30393ec40b22',249.0,1103,1);
INSERT INTO "offers" VALUES(810000314,'7d11bbbf-ee09-4712-830b-30393ec40b22',249.0,1390,1);
INSERT INTO "offers" VALUES(810000326,'7d11bbbf-ee09-4712-830b-30393ec40b22',149.0,1777,1);
INSERT INTO "offers" VALUES(810000332,'7d11bbbf-ee09-4712-830b-30393ec40b22',149.0,1390,1);
INSERT INTO "offers" VALUES(810000344,'7d11bbbf-ee09-4712-830b-30393ec40b22',246.82,1103,1);
INSERT INTO "offers" VALUES(810000348,'7d11bbbf-ee09-4712-830b-30393ec40b22',105.06,1103,1);
INSERT INTO "offers" VALUES(810000360,'6eb7a189-dff7-47d7-b963-0e1d71111a4b',105.1,1777,1);
INSERT INTO "offers" VALUES(810000364,'3c7cc4a5-c1b3-4f75-b413-33223d20c874',107.43,1103,1);
INSERT INTO "offers" VALUES(810000368,'3c7cc4a5-c1b3-4f75-b413-33223d20c874',13.19,958,1);
INSERT INTO "offers" VALUES(810000377,'3c7cc4a5-c1b3-4f75-b413-33223d20c874',249.0,1777,1);
INSERT INTO "offers" VALUES(810000390,'3c7cc4a5-c1b3-4f75-b413-33223d20c874',149.0,1103,1);
INSERT INTO "offers" VALUES(810000396,'3c7cc4a5-c1b3-4f75-b413-33223d20c874',216.95,1103,1);
INSERT INTO "offers" VALUES(810000409,'698996fe-d887-45d3-adfb-2cb7ccb6609f',14.42,11,1);
INSERT INTO "offers" VALUES(810000412,'698996fe-d887-45d3-adfb-2cb7ccb6609f',28.36,1065,1);
INSERT INTO "offers" VALUES(810000415,'698996fe-d887-45d3-adfb-2cb7ccb6609f',159.0,1103,1);
INSERT INTO "offers" VALUES(810000425,'0828cc68-7c28-4a2e-9598-98bc5f2cbaa2',199.0,1103,1);
INSERT INTO "offers" VALUES(810000429,'0828cc68-7c28-4a2e-9598-98bc5f2cbaa2',249.0,1103,1);
INSERT INTO "offers" VALUES(810000434,'0828cc68-7c28-4a2e-9598-98bc5f2cbaa2',149.0,1390,1);
INSERT INTO "offers" VALUES(810000438,'0828cc68-7c28-4a2e-9598-98bc5f2cbaa2',180.46,1103,1);
INSERT INTO "offers" VALUES(810000441,'0828cc68-7c28-4a2e-9598-98bc5f2cbaa2',149.0,1103,1);
INSERT INTO "offers" VALUES(810000446,'0828cc68-7c28-4a2e-9598-98bc5f2cbaa2',163.63,1103,1);
INSERT INTO "offers" VALUES(810000448,'0828cc68-7c28-4a2e-9598-98bc5f2cbaa2',159.0,1103,1);
INSERT INTO "offers" VALUES(810000457,'0828cc68-7c28-4a2e-9598-98bc5f2cbaa2',249.0,1103,1);
INSERT INTO "offers" VALUES(810000470,'feeafa74-6b7a-4139-9277-df0fcafc83d7',149.0,1390,1);
INSERT INTO "offers" VALUES(810000471,'feeafa74-6b7a-4139-9277-df0fcafc83d7',30.23,327,1);
INSERT INTO "offers" VALUES(810000478,'feeafa74-6b7a-4139-9277-df0fcafc83d7',149.0,1103,1);
INSERT INTO "offers" VALUES(810000491,'feeafa74-6b7a-4139-9277-df0fcafc83d7',249.0,1103,1);
INSERT INTO "offers" VALUES(810000492,'0fb47c68-104a-4367-8066-67af9ddaef54',157.76,1103,1);
INSERT INTO "offers" VALUES(810000496,'0fb47c68-104a-4367-8066-67af9ddaef54',31.16,327,1);
INSERT INTO "offers" VALUES(810000502,'7ee42e4e-6b37-4eac-8743-60e2f3b62bf9',149.0,1103,1);
INSERT INTO "offers" VALUES(810000504,'6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba',249.0,1777,1);
INSERT INTO "offers" VALUES(810000510,'6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba',127.42,1103,1);
INSERT INTO "offers" VALUES(810000520,'6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba',121.01,1103,1);
INSERT INTO "offers" VALUES(810000529,'6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba',149.0,1103,1);
INSERT INTO "offers" VALUES(810000532,'6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba',6.23,2042,1);
INSERT INTO "offers" VALUES(810000544,'6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba',149.0,1103,1);
INSERT INTO "offers" VALUES(810000553,'6c3e9b53-23c6-4dfa-bd4d-2fee830cfeba',180.96,1103,1);
INSERT INTO "offers" VALUES(810000557,'157479e3-46ce-49f2-b9f5-674b4193b4c8',15.66,1065,1);
INSERT INTO "offers" VALUES(810000568,'157479e3-46ce-49f2-b9f5-674b4193b4c8',28.75,11,1);
INSERT INTO "offers" VALUES(810000572,'157479e3-46ce-49f2-b9f5-674b4193b4c8',17.08,621,1);
INSERT INTO "offers" VALUES(810000574,'4a2f25f4-4821-4d17-af71-82ee702e85ad',149.0,1103,1);
INSERT INTO "offers" VALUES(810000579,'4a2f25f4-4821-4d17-af71-82ee702e85ad',159.0,1103,1);
INSERT INTO "offers" VALUES(810000583,'4a2f25f4-4821-4d17-af71-82ee702e85ad',157.72,1103,1);
INSERT INTO "offers" VALUES(810000584,'e308106c-7a58-4d23-8ccb-97dacd73c230',159.0,1103,1);
INSERT INTO "offers" VALUES(810000596,'e308106c-7a58-4d23-8ccb-97dacd73c230',249.0,1103,1);
INSERT INTO "offers" VALUES(810000602,'e308106c-7a58-4d23-8ccb-97dacd73c230',149.0,1103,1);
INSERT INTO "offers" VALUES(810000613,'e308106c-7a58-4d23-8ccb-97dacd73c230',249.0,1103,1);
INSERT INTO "offers" VALUES(810000615,'e308106c-7a58-4d23-8ccb-97dacd73c230',199.0,1103,1);
INSERT INTO "offers" VALUES(810000627,'e308106c-7a58-4d23-8ccb-97dacd73c230',159.0,1777,1);
INSERT INTO "offers" VALUES(810000634,'21acfe50-13b4-4a42-bc74-278d71f14bba',149.0,1103,1);
INSERT INTO "offers" VALUES(810000641,'21acfe50-13b4-4a42-bc74-278d71f14bba',178.82,1103,1);
INSERT INTO "offers" VALUES(810000642,'34ad26dd-43ae-4a5a-a143-b36bf7840380',29.06,2042,1);
INSERT INTO "offers" VALUES(810000646,'34ad26dd-43ae-4a5a-a143-b36bf7840380',99.85,1103,1);
INSERT INTO "offers" VALUES(810000649,'34ad26dd-43ae-4a5a-a143-b36bf7840380',167.0,1103,1);
INSERT INTO "offers" VALUES(810000658,'34ad26dd-43ae-4a5a-a143-b36bf7840380',184.52,1103,1);
INSERT INTO "offers" VALUES(810000663,'34ad26dd-43ae-4a5a-a143-b36bf7840380',157.08,1103,1);
INSERT INTO "offers" VALUES(810000671,'34ad26dd-43ae-4a5a-a143-b36bf7840380',249.0,1103,1);
INSERT INTO "offers" VALUES(810000680,'34ad26dd-43ae-4a5a-a143-b36bf7840380',199.0,1103,1);
INSERT INTO "offers" VALUES(810000689,'34ad26dd-43ae-4a5a-a143-b36bf7840380',149.0,1777,1);
INSERT INTO "offers" VALUES(810000700,'34ad26dd-43ae-4a5a-a143-b36bf7840380',107.5,1103,1);
INSERT INTO "offers" VALUES(810000711,'34ad26dd-43ae-4a5a-a143-b36bf7840380',149.0,1103,1);
INSERT INTO "offers" VALUES(810000717,'34ad26dd-43ae-4a5a-a143-b36bf7840380',149.0,1103,1);
INSERT INTO "offers" VALUES(810000730,'34ad26dd-43ae-4a5a-a143-b36bf7840380',141.28,1777,1);
INSERT INTO "offers" VALUES(810000738,'34ad26dd-43ae-4a5a-a143-b36bf7840380',152.64,1103,1);
INSERT INTO "offers" VALUES(810000750,'34ad26dd-43ae-4a5a-a143-b36bf7840380',149.0,1103,1);
CREATE TABLE rejected_rows (
	id INTEGER NOT NULL, 
	load_id INTEGER NOT NULL, 
	problem VARCHAR NOT NULL, 
	source VARCHAR NOT NULL, 
	table_name VARCHAR NOT NULL, 
	row_number BIGINT NOT NULL, 
	reason VARCHAR NOT NULL, 
	row_values JSON NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(load_id) REFERENCES loads (id)
);
CREATE TABLE results_clicked (
	id INTEGER NOT NULL, 
	model_id VARCHAR NOT NULL, 
	process_time DATETIME NOT NULL, 
	offer_id INTEGER, 
	request_amt DOUBLE, 
	annual_income DOUBLE, 
	apr DOUBLE, 
	credit_type VARCHAR, 
	loan_type VARCHAR, 
	clicked VARCHAR NOT NULL, 
	click_probability DOUBLE NOT NULL, 
	trained_on BOOLEAN, 
	source VARCHAR NOT NULL, 
	scoring_run_id INTEGER, 
	PRIMARY KEY (id), 
	UNIQUE (model_id, offer_id), 
	FOREIGN KEY(model_id) REFERENCES model_versions (model_id), 
	FOREIGN KEY(offer_id) REFERENCES offers (offer_id), 
	FOREIGN KEY(scoring_run_id) REFERENCES scoring_runs (id)
);
INSERT INTO "results_clicked" VALUES(1,'offer-click/1','2026-11-21 11:33:28.894737',810000011,250.0,57600.0,241.34,'poor','debt_consolidation','Not clicked',7.74209374690209336383e-03,0,'batch',1);
INSERT INTO "results_clicked" VALUES(2,'offer-click/1','2026-11-21 11:33:28.894737',810000024,250.0,57600.0,159.0,'poor','debt_consolidation','Not clicked',1.29290203199513200477e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(3,'offer-click/1','2026-11-21 11:33:28.894737',810000037,250.0,57600.0,149.0,'poor','debt_consolidation','Not clicked',1.37570354457895640404e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(4,'offer-click/1','2026-11-21 11:33:28.894737',810000045,250.0,57600.0,124.52,'poor','debt_consolidation','Not clicked',1.60110417484075964744e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(5,'offer-click/1','2026-11-21 11:33:28.894737',810000046,8000.0,33600.0,23.42,'excellent','debt_consolidation','Not clicked',3.77875637120045834715e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(6,'offer-click/1','2026-11-21 11:33:28.894737',810000048,8000.0,33600.0,35.76,'excellent','debt_consolidation','Not clicked',3.5063807421366319228e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(7,'offer-click/1','2026-11-21 11:33:28.894737',810000057,8000.0,33600.0,16.68,'excellent','debt_consolidation','Not clicked',3.93599720967212490796e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(8,'offer-click/1','2026-11-21 11:33:28.894737',810000062,1000.0,31200.0,159.0,'poor','debt_consolidation','Not clicked',1.6534686600888290342e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(9,'offer-click/1','2026-11-21 11:33:28.894737',810000069,1000.0,31200.0,21.35,'poor','debt_consolidation','Not clicked',3.84349544151833047433e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(10,'offer-click/1','2026-11-21 11:33:28.894737',810000076,300.0,34200.0,159.0,'fair','debt_consolidation','Not clicked',1.52967158661972413291e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(11,'offer-click/1','2026-11-21 11:33:28.894737',810000088,300.0,34200.0,171.74,'fair','debt_consolidation','Not clicked',1.41351299756055683032e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(12,'offer-click/1','2026-11-21 11:33:28.894737',810000093,300.0,34200.0,17.45,'fair','debt_consolidation','Not clicked',0.0364691356859721,0,'batch',1);
INSERT INTO "results_clicked" VALUES(13,'offer-click/1','2026-11-21 11:33:28.894737',810000106,300.0,34200.0,149.0,'fair','debt_consolidation','Not clicked',1.62738656568714966377e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(14,'offer-click/1','2026-11-21 11:33:28.894737',810000108,300.0,34200.0,34.58,'fair','debt_consolidation','Not clicked',3.28655708108643793141e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(15,'offer-click/1','2026-11-21 11:33:28.894737',810000120,300.0,34200.0,145.55,'fair','debt_consolidation','Not clicked',1.66250265088419973968e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(16,'offer-click/1','2026-11-21 11:33:28.894737',810000131,300.0,34200.0,26.58,'fair','debt_consolidation','Not clicked',3.45035652387192595669e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(17,'offer-click/1','2026-11-21 11:33:28.894737',810000143,20000.0,54600.0,24.77,'good','debt_consolidation','Not clicked',3.63281550975197917163e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(18,'offer-click/1','2026-11-21 11:33:28.894737',810000146,20000.0,54600.0,12.8,'good','debt_consolidation','Not clicked',0.0390586758486775,0,'batch',1);
INSERT INTO "results_clicked" VALUES(19,'offer-click/1','2026-11-21 11:33:28.894737',810000159,850.0,34800.0,172.24,'poor','debt_consolidation','Not clicked',1.47234253875547938666e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(20,'offer-click/1','2026-11-21 11:33:28.894737',810000167,850.0,34800.0,32.8,'poor','debt_consolidation','Not clicked',3.46834414330781312663e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(21,'offer-click/1','2026-11-21 11:33:28.912768',810000173,850.0,34800.0,199.2,'poor','debt_consolidation','Not clicked',1.24549762043933073818e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(22,'offer-click/1','2026-11-21 11:33:28.912768',810000177,850.0,34800.0,159.0,'poor','debt_consolidation','Not clicked',1.59819711277680749639e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(23,'offer-click/1','2026-11-21 11:33:28.912768',810000180,1500.0,20400.0,149.0,'poor','debt_consolidation','Not clicked',1.94840855063054957385e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(24,'offer-click/1','2026-11-21 11:33:28.912768',810000183,1500.0,20400.0,177.65,'poor','debt_consolidation','Not clicked',1.63228338122322659542e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(25,'offer-click/1','2026-11-21 11:33:28.912768',810000195,13000.0,99600.0,159.0,'poor','debt_consolidation','Not clicked',1.01408739623161207876e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(26,'offer-click/1','2026-11-21 11:33:28.912768',810000202,13000.0,99600.0,159.0,'poor','debt_consolidation','Not clicked',1.01408739623161207876e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(27,'offer-click/1','2026-11-21 11:33:28.912768',810000214,13000.0,99600.0,159.0,'poor','debt_consolidation','Not clicked',1.01408739623161207876e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(28,'offer-click/1','2026-11-21 11:33:28.912768',810000221,13000.0,99600.0,149.0,'poor','debt_consolidation','Not clicked',1.07922797552050010738e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(29,'offer-click/1','2026-11-21 11:33:28.912768',810000229,13000.0,99600.0,106.56,'poor','debt_consolidation','Not clicked',1.40489175644434721723e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(30,'offer-click/1','2026-11-21 11:33:28.912768',810000232,13000.0,99600.0,159.0,'poor','debt_consolidation','Not clicked',1.01408739623161207876e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(31,'offer-click/1','2026-11-21 11:33:28.912768',810000237,13000.0,99600.0,249.0,'poor','debt_consolidation','Not clicked',0.00578189667921609,0,'batch',1);
INSERT INTO "results_clicked" VALUES(32,'offer-click/1','2026-11-21 11:33:28.912768',810000249,2000.0,39600.0,31.28,'poor','debt_consolidation','Not clicked',3.39591104322496672995e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(33,'offer-click/1','2026-11-21 11:33:28.912768',810000260,700.0,18600.0,199.0,'poor','debt_consolidation','Not clicked',1.44105419182979695852e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(34,'offer-click/1','2026-11-21 11:33:28.912768',810000272,850.0,22800.0,225.2,'poor','debt_consolidation','Not clicked',1.18102288591479514384e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(35,'offer-click/1','2026-11-21 11:33:28.912768',810000284,850.0,22800.0,149.0,'poor','debt_consolidation','Not clicked',1.89374406061478227358e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(36,'offer-click/1','2026-11-21 11:33:28.912768',810000285,850.0,22800.0,110.75,'poor','debt_consolidation','Not clicked',2.39663845832399982627e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(37,'offer-click/1','2026-11-21 11:33:28.912768',810000298,350.0,37800.0,102.42,'poor','debt_consolidation','Not clicked',2.19437928527706528625e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(38,'offer-click/1','2026-11-21 11:33:28.912768',810000306,350.0,37800.0,159.0,'poor','debt_consolidation','Not clicked',1.5473121745845915681e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(39,'offer-click/1','2026-11-21 11:33:28.912768',810000311,350.0,37800.0,249.0,'poor','debt_consolidation','Not clicked',8.84259353553843233108e-03,0,'batch',1);
INSERT INTO "results_clicked" VALUES(40,'offer-click/1','2026-11-21 11:33:28.912768',810000314,350.0,37800.0,249.0,'poor','debt_consolidation','Not clicked',8.84259353553843233108e-03,0,'batch',1);
INSERT INTO "results_clicked" VALUES(41,'offer-click/1','2026-11-21 11:33:28.927843',810000326,350.0,37800.0,149.0,'poor','debt_consolidation','Not clicked',1.64613519125800140951e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(42,'offer-click/1','2026-11-21 11:33:28.927843',810000332,350.0,37800.0,149.0,'poor','debt_consolidation','Not clicked',1.64613519125800140951e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(43,'offer-click/1','2026-11-21 11:33:28.927843',810000344,350.0,37800.0,246.82,'poor','debt_consolidation','Not clicked',8.963615082442087309e-03,0,'batch',1);
INSERT INTO "results_clicked" VALUES(44,'offer-click/1','2026-11-21 11:33:28.927843',810000348,350.0,37800.0,105.06,'poor','debt_consolidation','Not clicked',2.15901295755857140779e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(45,'offer-click/1','2026-11-21 11:33:28.927843',810000360,2500.0,49200.0,105.1,'poor','debt_consolidation','Not clicked',1.99401968540279424246e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(46,'offer-click/1','2026-11-21 11:33:28.927843',810000364,1000.0,18600.0,107.43,'poor','other','Clicked',0.0442562582731458,0,'batch',1);
INSERT INTO "results_clicked" VALUES(47,'offer-click/1','2026-11-21 11:33:28.927843',810000368,1000.0,18600.0,13.19,'poor','other','Clicked',7.73021088831677416486e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(48,'offer-click/1','2026-11-21 11:33:28.927843',810000377,1000.0,18600.0,249.0,'poor','other','Not clicked',1.86481730819697058554e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(49,'offer-click/1','2026-11-21 11:33:28.927843',810000390,1000.0,18600.0,149.0,'poor','other','Not clicked',3.44219889328785527693e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(50,'offer-click/1','2026-11-21 11:33:28.927843',810000396,1000.0,18600.0,216.95,'poor','other','Not clicked',2.2719729575186739523e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(51,'offer-click/1','2026-11-21 11:33:28.927843',810000409,7500.0,60000.0,14.42,'fair','debt_consolidation','Not clicked',3.18952335097443251399e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(52,'offer-click/1','2026-11-21 11:33:28.927843',810000412,7500.0,60000.0,28.36,'fair','debt_consolidation','Not clicked',2.92955204848654379712e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(53,'offer-click/1','2026-11-21 11:33:28.927843',810000415,7500.0,60000.0,159.0,'fair','debt_consolidation','Not clicked',1.30928328014066324563e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(54,'offer-click/1','2026-11-21 11:33:28.927843',810000425,550.0,18000.0,199.0,'poor','credit_card_refi','Not clicked',1.35847017433946351538e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(55,'offer-click/1','2026-11-21 11:33:28.927843',810000429,550.0,18000.0,249.0,'poor','credit_card_refi','Not clicked',9.95467004349161535547e-03,0,'batch',1);
INSERT INTO "results_clicked" VALUES(56,'offer-click/1','2026-11-21 11:33:28.927843',810000434,550.0,18000.0,149.0,'poor','credit_card_refi','Not clicked',1.85136936099961901813e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(57,'offer-click/1','2026-11-21 11:33:28.927843',810000438,550.0,18000.0,180.46,'poor','credit_card_refi','Not clicked',1.5239788794561436383e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(58,'offer-click/1','2026-11-21 11:33:28.927843',810000441,550.0,18000.0,149.0,'poor','credit_card_refi','Not clicked',1.85136936099961901813e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(59,'offer-click/1','2026-11-21 11:33:28.927843',810000446,550.0,18000.0,163.63,'poor','credit_card_refi','Not clicked',1.69132126033738339199e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(60,'offer-click/1','2026-11-21 11:33:28.927843',810000448,550.0,18000.0,159.0,'poor','credit_card_refi','Not clicked',1.74044347600690457733e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(61,'offer-click/1','2026-11-21 11:33:28.942686',810000457,550.0,18000.0,249.0,'poor','credit_card_refi','Not clicked',9.95467004349161535547e-03,0,'batch',1);
INSERT INTO "results_clicked" VALUES(62,'offer-click/1','2026-11-21 11:33:28.942686',810000470,550.0,24000.0,149.0,'poor','debt_consolidation','Not clicked',1.86747620687631801783e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(63,'offer-click/1','2026-11-21 11:33:28.942686',810000471,550.0,24000.0,30.23,'poor','debt_consolidation','Not clicked',3.86241509980164710036e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(64,'offer-click/1','2026-11-21 11:33:28.942686',810000478,550.0,24000.0,149.0,'poor','debt_consolidation','Not clicked',1.86747620687631801783e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(65,'offer-click/1','2026-11-21 11:33:28.942686',810000491,550.0,24000.0,249.0,'poor','debt_consolidation','Not clicked',1.00420371767072375696e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(66,'offer-click/1','2026-11-21 11:33:28.942686',810000492,700.0,64200.0,157.76,'fair','wedding','Not clicked',0.032059281965981,0,'batch',1);
INSERT INTO "results_clicked" VALUES(67,'offer-click/1','2026-11-21 11:33:28.942686',810000496,700.0,64200.0,31.16,'fair','wedding','Clicked',0.0684288367838987,0,'batch',1);
INSERT INTO "results_clicked" VALUES(68,'offer-click/1','2026-11-21 11:33:28.942686',810000502,2000.0,98400.0,149.0,'fair','debt_consolidation','Not clicked',9.27967679240040629884e-03,0,'batch',1);
INSERT INTO "results_clicked" VALUES(69,'offer-click/1','2026-11-21 11:33:28.942686',810000504,1500.0,40200.0,249.0,'fair','debt_consolidation','Not clicked',8.38582633555613743414e-03,0,'batch',1);
INSERT INTO "results_clicked" VALUES(70,'offer-click/1','2026-11-21 11:33:28.942686',810000510,1500.0,40200.0,127.42,'fair','debt_consolidation','Not clicked',1.78477528462536137732e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(71,'offer-click/1','2026-11-21 11:33:28.942686',810000520,1500.0,40200.0,121.01,'fair','debt_consolidation','Not clicked',1.8568600443438183084e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(72,'offer-click/1','2026-11-21 11:33:28.942686',810000529,1500.0,40200.0,149.0,'fair','debt_consolidation','Not clicked',1.56172361266874344665e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(73,'offer-click/1','2026-11-21 11:33:28.942686',810000532,1500.0,40200.0,6.23,'fair','debt_consolidation','Not clicked',3.74925346013589913529e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(74,'offer-click/1','2026-11-21 11:33:28.942686',810000544,1500.0,40200.0,149.0,'fair','debt_consolidation','Not clicked',1.56172361266874344665e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(75,'offer-click/1','2026-11-21 11:33:28.942686',810000553,1500.0,40200.0,180.96,'fair','debt_consolidation','Not clicked',1.28089877845537075673e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(76,'offer-click/1','2026-11-21 11:33:28.942686',810000557,8500.0,43800.0,15.66,'good','debt_consolidation','Not clicked',3.74365353238019435422e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(77,'offer-click/1','2026-11-21 11:33:28.942686',810000568,8500.0,43800.0,28.75,'good','debt_consolidation','Not clicked',3.45792966334539098038e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(78,'offer-click/1','2026-11-21 11:33:28.942686',810000572,8500.0,43800.0,17.08,'good','debt_consolidation','Not clicked',3.71159270585469450165e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(79,'offer-click/1','2026-11-21 11:33:28.942686',810000574,450.0,67800.0,149.0,'poor','debt_consolidation','Not clicked',1.257379692504606572e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(80,'offer-click/1','2026-11-21 11:33:28.942686',810000579,450.0,67800.0,159.0,'poor','debt_consolidation','Not clicked',1.18161458808934208275e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(81,'offer-click/1','2026-11-21 11:33:28.956019',810000583,450.0,67800.0,157.72,'poor','debt_consolidation','Not clicked',1.1910549191240430919e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(82,'offer-click/1','2026-11-21 11:33:28.956019',810000584,1000.0,21000.0,159.0,'poor','debt_consolidation','Not clicked',1.81224456485398373317e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(83,'offer-click/1','2026-11-21 11:33:28.956019',810000596,1000.0,21000.0,249.0,'poor','debt_consolidation','Not clicked',1.03685878559195508025e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(84,'offer-click/1','2026-11-21 11:33:28.956019',810000602,1000.0,21000.0,149.0,'poor','debt_consolidation','Not clicked',1.92765686371205481608e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(85,'offer-click/1','2026-11-21 11:33:28.956019',810000613,1000.0,21000.0,249.0,'poor','debt_consolidation','Not clicked',1.03685878559195508025e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(86,'offer-click/1','2026-11-21 11:33:28.956019',810000615,1000.0,21000.0,199.0,'poor','debt_consolidation','Not clicked',1.41474003872295809453e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(87,'offer-click/1','2026-11-21 11:33:28.956019',810000627,1000.0,21000.0,159.0,'poor','debt_consolidation','Not clicked',1.81224456485398373317e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(88,'offer-click/1','2026-11-21 11:33:28.956019',810000634,6500.0,41400.0,149.0,'poor','debt_consolidation','Not clicked',1.70187267741388412178e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(89,'offer-click/1','2026-11-21 11:33:28.956019',810000641,6500.0,41400.0,178.82,'poor','debt_consolidation','Not clicked',1.41486168971510038044e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(90,'offer-click/1','2026-11-21 11:33:28.956019',810000642,1000.0,40200.0,29.06,'poor','debt_consolidation','Not clicked',3.38810253449365536559e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(91,'offer-click/1','2026-11-21 11:33:28.956019',810000646,1000.0,40200.0,99.85,'poor','debt_consolidation','Not clicked',2.19711653949462085155e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(92,'offer-click/1','2026-11-21 11:33:28.956019',810000649,1000.0,40200.0,167.0,'poor','debt_consolidation','Not clicked',1.4510249350365222315e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(93,'offer-click/1','2026-11-21 11:33:28.956019',810000658,1000.0,40200.0,184.52,'poor','debt_consolidation','Not clicked',1.30155328526268855571e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(94,'offer-click/1','2026-11-21 11:33:28.956019',810000663,1000.0,40200.0,157.08,'poor','debt_consolidation','Not clicked',1.54302991020205722966e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(95,'offer-click/1','2026-11-21 11:33:28.956019',810000671,1000.0,40200.0,249.0,'poor','debt_consolidation','Not clicked',0.00871300178534574,0,'batch',1);
INSERT INTO "results_clicked" VALUES(96,'offer-click/1','2026-11-21 11:33:28.956019',810000680,1000.0,40200.0,199.0,'poor','debt_consolidation','Not clicked',1.18956918240657166102e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(97,'offer-click/1','2026-11-21 11:33:28.956019',810000689,1000.0,40200.0,149.0,'poor','debt_consolidation','Not clicked',1.62219316411956401835e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(98,'offer-click/1','2026-11-21 11:33:28.956019',810000700,1000.0,40200.0,107.5,'poor','debt_consolidation','Not clicked',2.09603760500228393504e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(99,'offer-click/1','2026-11-21 11:33:28.956019',810000711,1000.0,40200.0,149.0,'poor','debt_consolidation','Not clicked',1.62219316411956401835e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(100,'offer-click/1','2026-11-21 11:33:28.956019',810000717,1000.0,40200.0,149.0,'poor','debt_consolidation','Not clicked',1.62219316411956401835e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(101,'offer-click/1','2026-11-21 11:33:28.969540',810000730,1000.0,40200.0,141.28,'poor','debt_consolidation','Not clicked',1.70155494591347281052e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(102,'offer-click/1','2026-11-21 11:33:28.969540',810000738,1000.0,40200.0,152.64,'poor','debt_consolidation','Not clicked',1.58604781229082052174e-02,0,'batch',1);
INSERT INTO "results_clicked" VALUES(103,'offer-click/1','2026-11-21 11:33:28.969540',810000750,1000.0,40200.0,149.0,'poor','debt_consolidation','Not clicked',1.62219316411956401835e-02,0,'batch',1);
CREATE TABLE results_clicked_rejected (
	id INTEGER NOT NULL, 
	model_id VARCHAR NOT NULL, 
	offer_id INTEGER NOT NULL, 
	reason VARCHAR NOT NULL, 
	process_time DATETIME NOT NULL, 
	scoring_run_id INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (model_id, offer_id), 
	FOREIGN KEY(model_id) REFERENCES model_versions (model_id), 
	FOREIGN KEY(offer_id) REFERENCES offers (offer_id), 
	FOREIGN KEY(scoring_run_id) REFERENCES scoring_runs (id)
);
CREATE TABLE scoring_runs (
	id INTEGER NOT NULL, 
	model_id VARCHAR NOT NULL, 
	endpoint VARCHAR NOT NULL, 
	started_at DATETIME NOT NULL, 
	finished_at DATETIME, 
	outcome VARCHAR NOT NULL, 
	stored BIGINT NOT NULL, 
	rejected BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(model_id) REFERENCES model_versions (model_id)
);
INSERT INTO "scoring_runs" VALUES(1,'offer-click/1','http://127.0.0.1:5111','2026-11-21 11:33:28.825020','2026-11-21 11:33:28.974288','finished',103,0);
CREATE INDEX ix_rejected_rows_source ON rejected_rows (problem, source);
CREATE INDEX ix_offers_lead_uuid ON offers (lead_uuid);
CREATE INDEX ix_results_clicked_offer_id ON results_clicked (offer_id);
COMMIT;
